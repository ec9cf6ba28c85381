#include "retort/methods/logits/pseudo_subclasses.h"

#include <limits>

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/losses/logit_transforms.h"
#include "retort/stats/kmeans.h"
#include "retort/stats/linear_algebra.h"

namespace retort::logits {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

struct Part {
  Tensor directions, offset;  // [d, m], [m]
};

Part split_by_pca(const Tensor& members, int64_t count, bool rotate, Seed seed) {
  const auto found = principal_directions(members, count);
  const Tensor directions = rotate ? found.directions.mm(random_rotation(count, seed)) : found.directions;
  return {directions, -found.mean.matmul(directions)};
}

// -|h - m|^2 / 2 without the part that all centres share.
Part split_by_kmeans(const Tensor& members, int64_t count, Seed seed) {
  const Tensor centres = kmeans(members, count, seed).centres;
  return {centres.t(), -centres.square().sum(1) / 2};
}

}  // namespace

State Subclasses::state() const {
  State state;
  state.tensors = {{"directions", directions}, {"offset", offset}, {"scale", scale}};
  if (projector.defined()) state.tensors["projector"] = projector;
  return state;
}

Subclasses Subclasses::from(const State& state) {
  return {state.tensors.count("projector") ? state.tensor("projector") : Tensor(), state.tensor("directions"), state.tensor("offset"),
          state.tensor("scale")};
}

Tensor classifier_null_space(const Tensor& weights) {
  const Tensor w = weights.detach().cpu().to(at::kDouble);
  return null_space_projector((w - w.mean(0)).t()).to(at::kFloat);
}

Subclasses find_subclasses(const Tensor& embeddings, const Tensor& groups, int64_t classes, int64_t count, Split split, bool rotate,
                           const Tensor& projector, Seed seed) {
  if (embeddings.dim() != 2 || groups.dim() != 1 || groups.size(0) != embeddings.size(0)) {
    throw ConfigError(fmt::format("subclasses: expected embeddings [n, d] and a class for each, received [{}] and [{}]",
                                  fmt::join(embeddings.sizes(), ", "), fmt::join(groups.sizes(), ", ")));
  }
  const int64_t width = embeddings.size(1);
  if (count < 1 || count > width)
    throw ConfigError(fmt::format("subclasses: {} of a class in {} dimensions", count, width),
                      "at least 1, at most as many as the embedding has dimensions");
  Tensor h = embeddings.detach().cpu().to(at::kDouble);
  if (projector.defined()) h = h.mm(projector.to(at::kDouble));
  const Tensor of = groups.cpu();
  Subclasses found{projector, at::zeros({classes, width, count}, at::kDouble), at::full({classes, count}, kNever, at::kDouble),
                   at::ones({classes}, at::kDouble)};
  for (int64_t c = 0; c < classes; ++c) {
    const Tensor members = h.index_select(0, at::nonzero(of == c).squeeze(1));
    const int64_t n = members.size(0), m = std::max<int64_t>(1, std::min(count, n - 1));
    if (n == 0)
      throw DataError(fmt::format("subclasses: no sample of class {} among {}", c, embeddings.size(0)),
                      "the transfer set must hold samples of every class");
    const Seed own = seed.stream("class", static_cast<uint64_t>(c));
    const auto [directions, offset] = split == Split::pca ? split_by_pca(members, m, rotate, own) : split_by_kmeans(members, m, own);
    found.directions[c].narrow(1, 0, m).copy_(directions);
    found.offset[c].narrow(0, 0, m).copy_(offset);
    Tensor entries = members.mm(directions) + offset;
    if (split == Split::kmeans) entries = entries - entries.mean(1, /*keepdim=*/true);
    const double deviation = entries.std(/*unbiased=*/false).item<double>();
    if (deviation > 1e-12) found.scale[c] = deviation;
  }
  for (Tensor* part : {&found.directions, &found.offset, &found.scale}) *part = part->to(at::kFloat);
  return found;
}

Tensor subclass_shares(const Subclasses& subclasses, const Tensor& embeddings, double beta) {
  if (embeddings.dim() != 2 || embeddings.size(1) != subclasses.directions.size(1)) {
    throw ConfigError(fmt::format("subclasses: made for embeddings of length {}, received [{}]", subclasses.directions.size(1),
                                  fmt::join(embeddings.sizes(), ", ")));
  }
  const Tensor h = subclasses.projector.defined() ? embeddings.mm(subclasses.projector.to(embeddings.device())) : embeddings;
  const auto here = [&](const Tensor& part) { return part.to(embeddings.device()); };
  const Tensor entries = at::matmul(h.unsqueeze(0), here(subclasses.directions)).transpose(0, 1) + here(subclasses.offset);  // [n, c, s]
  return at::softmax(entries / (here(subclasses.scale).unsqueeze(1) * beta), 2);
}

Tensor subclass_targets(const Tensor& probabilities, const Tensor& shares) { return (probabilities.unsqueeze(2) * shares).flatten(1); }

Tensor subclass_likeness(const Tensor& logits, double tau) {
  const Tensor v = losses::unit_rows(losses::standardised_by_class(logits));
  return (v.mm(v.t()) / tau).logsumexp(1).mean() - std::log(static_cast<double>(logits.size(0))) - 1 / tau;
}

}  // namespace retort::logits

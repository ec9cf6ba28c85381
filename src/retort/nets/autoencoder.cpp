// Classifiers on the code of an autoencoder: columns -> (attention) -> latent z; from z a reconstruction, and the classes.
#include "retort/base/error.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

constexpr int64_t kFilters = 8, kKernel = 5, kMostSoftmax = 4000;

struct AutoencoderPlan {
  std::vector<int64_t> widths;  // hidden ones, then the latent one
  bool conv = false, gate = false, softmax = false;
  double drop = 0;
};

std::optional<AutoencoderPlan> read_plan(const std::string& text) {
  NameReader name(text);
  AutoencoderPlan plan;
  if (!name.text("autoencoder")) return {};
  while (!name.end()) {
    int64_t width = 0;
    if (!name.text("-")) return {};
    if (name.whole(width))
      plan.widths.push_back(width);
    else if (name.text("conv"))
      plan.conv = true;
    else if (name.text("gate"))
      plan.gate = true;
    else if (name.text("softmax"))
      plan.softmax = true;
    else if (!name.text("drop") || !name.number(plan.drop) || plan.drop >= 1)
      return {};
  }
  if (plan.widths.empty()) return {};
  return plan;
}

// x * a, a = sigmoid(w * x + b) column by column; or x * p * softmax(W x + b) over all p columns. Both begin almost as x itself.
Layer attention(NetBuilder& b, const AutoencoderPlan& plan, int64_t p) {
  b.tap("attention");
  if (plan.gate) {
    const Slot w = b.param("attention.weight", {p}, {}), c = b.param("attention.bias", {p}, {Init::Kind::constant, 2});
    return
        [=](const Tensor& x, const Frame& frame) { return x * frame.tap("attention", (x * frame.params[w] + frame.params[c]).sigmoid()); };
  }
  const Slot w = b.param("attention.weight", {p, p}, {}), c = b.param("attention.bias", {p}, {});
  return [=](const Tensor& x, const Frame& frame) {
    return x * static_cast<double>(p) * frame.tap("attention", at::linear(x, frame.params[w], frame.params[c]).softmax(1));
  };
}

Layer conv1d(NetBuilder& b, const std::string& name, int64_t in, int64_t out) {
  const Slot w = b.param(name + ".weight", {out, in, kKernel}, kaiming_uniform(in * kKernel)),
             c = b.param(name + ".bias", {out}, kaiming_uniform(in * kKernel));
  return [=](const Tensor& x, const Frame& frame) { return at::conv1d(x, frame.params[w], frame.params[c], 2, kKernel / 2); };
}

Layer conv1d_back(NetBuilder& b, const std::string& name, int64_t in, int64_t out) {
  const Slot w = b.param(name + ".weight", {in, out, kKernel}, kaiming_uniform(out * kKernel)),
             c = b.param(name + ".bias", {out}, kaiming_uniform(out * kKernel));
  return [=](const Tensor& x, const Frame& frame) { return at::conv_transpose1d(x, frame.params[w], frame.params[c], 2, kKernel / 2, 1); };
}

std::optional<Net> make_autoencoder(const NetRequest& request) {
  const auto plan = read_plan(request.name);
  if (!plan) return {};
  const int64_t p = std::accumulate(request.input.begin(), request.input.end(), int64_t{1}, std::multiplies<>()),
                latent = plan->widths.back();
  if (plan->softmax && p > kMostSoftmax) {
    throw ConfigError(fmt::format("net '{}': a softmax over {} columns needs {} weights a column", request.name, p, p),
                      "use -gate, which has two a column");
  }
  NetBuilder b(request.seed);
  std::vector<Layer> encoder{flatten()}, decoder;
  if (plan->gate || plan->softmax) encoder.push_back(attention(b, *plan, p));
  int64_t width = p;
  const int64_t half = (p + 1) / 2, quarter = (half + 1) / 2;
  if (plan->conv) {
    encoder.insert(encoder.end(), {[](const Tensor& x, const Frame&) { return x.unsqueeze(1); }, conv1d(b, "conv1", 1, kFilters), relu(),
                                   conv1d(b, "conv2", kFilters, 2 * kFilters), relu(), flatten()});
    width = 2 * kFilters * quarter;
  }
  const int64_t flat = width;
  for (size_t i = 0; i < plan->widths.size(); ++i) {
    encoder.push_back(linear(b, fmt::format("encoder{}", i + 1), width, plan->widths[i]));
    if (i + 1 < plan->widths.size()) {
      encoder.push_back(relu());
      if (plan->drop > 0) encoder.push_back(dropout(plan->drop));
    }
    width = plan->widths[i];
  }
  for (size_t i = plan->widths.size(); i-- > 0;) {
    const int64_t next = i > 0 ? plan->widths[i - 1] : flat;
    decoder.push_back(linear(b, fmt::format("decoder{}", i + 1), width, next));
    if (i > 0 || plan->conv) decoder.push_back(relu());
    width = next;
  }
  if (plan->conv) {
    decoder.insert(decoder.end(), {[=](const Tensor& x, const Frame&) {
                                     return x.view({x.size(0), 2 * kFilters, quarter});
                                   },
                                   conv1d_back(b, "back2", 2 * kFilters, kFilters), relu(), conv1d_back(b, "back1", kFilters, 1),
                                   [=](const Tensor& x, const Frame&) { return x.squeeze(1).slice(1, 0, p); }});
  }
  b.tap("reconstruction");
  b.tap("embedding");
  b.block("latent", chain(std::move(encoder)));
  const Layer back = chain(std::move(decoder)), drop = plan->drop > 0 ? dropout(plan->drop) : Layer();
  const Layer head = linear(b, "fc", latent, request.outputs);
  b.block("logits", [=](const Tensor& z, const Frame& frame) {
    if (frame.taps != nullptr && frame.taps->wants("reconstruction")) frame.tap("reconstruction", back(z, frame));
    const Tensor read = frame.tap("embedding", z.relu());
    return head(drop ? drop(read, frame) : read, frame);
  });
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family autoencoder_family() {
  return {"autoencoder", "autoencoder-WIDTH…-LATENT[-conv][-gate|-softmax][-dropP]",
          "classes read off the code of an autoencoder, with attention to its columns where wanted", make_autoencoder};
}

}  // namespace retort

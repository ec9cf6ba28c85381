#include "retort/stats/kmeans.h"

#include "retort/base/error.h"

namespace retort {
namespace {

// Squared distances [n, k].
Tensor distances(const Tensor& rows, const Tensor& centres) {
  return (rows.square().sum(1, /*keepdim=*/true) + centres.square().sum(1) - 2 * rows.mm(centres.t())).clamp_min(0);
}

// k-means++ (Arthur and Vassilvitskii 2007): each further centre is a row drawn with probability proportional to its squared distance.
Tensor first_centres(const Tensor& rows, int64_t k, Dice& dice) {
  std::vector<int64_t> chosen{dice.below(rows.size(0))};
  while (static_cast<int64_t>(chosen.size()) < k) {
    const Tensor nearest = std::get<0>(distances(rows, rows.index_select(0, at::tensor(chosen, at::kLong))).min(1));
    const Tensor mass = nearest.cumsum(0);
    const double total = mass[-1].item<double>();
    const auto found = at::searchsorted(mass, at::scalar_tensor(dice.uniform() * total, at::kDouble), /*out_int32=*/false, /*right=*/true)
                           .item<int64_t>();
    chosen.push_back(total > 0 ? std::min(found, rows.size(0) - 1) : dice.below(rows.size(0)));
  }
  return rows.index_select(0, at::tensor(chosen, at::kLong));
}

Clusters lloyd(const Tensor& rows, Tensor centres, int most_rounds) {
  Clusters now;
  for (int round = 0; round < most_rounds; ++round) {
    const auto [nearest, members] = distances(rows, centres).min(1);
    const bool settled = now.members.defined() && members.equal(now.members);
    now = {centres, members, nearest.mean().item<double>()};
    if (settled) break;
    const Tensor counts = at::bincount(members, {}, centres.size(0)).to(at::kDouble).unsqueeze(1);
    centres = at::zeros_like(centres).index_add(0, members, rows) / counts.clamp_min(1);
    for (int64_t c = 0; c < centres.size(0); ++c)
      if (counts[c].item<double>() == 0) centres[c].copy_(rows[nearest.argmax().item<int64_t>()]);
  }
  return now;
}

}  // namespace

Clusters kmeans(const Tensor& rows, int64_t k, Seed seed, int starts, int most_rounds) {
  if (rows.dim() != 2 || k < 1 || k > rows.size(0)) {
    throw ConfigError(fmt::format("kmeans: {} clusters of {} rows", k, rows.dim() == 2 ? rows.size(0) : 0),
                      "there are at most as many clusters as rows");
  }
  const Tensor x = rows.detach().cpu().to(at::kDouble);
  Clusters best;
  for (int start = 0; start < starts; ++start) {
    Dice dice(seed.stream("start", static_cast<uint64_t>(start)));
    Clusters found = lloyd(x, first_centres(x, k, dice), most_rounds);
    if (!best.centres.defined() || found.inertia < best.inertia) best = std::move(found);
  }
  return best;
}

}  // namespace retort

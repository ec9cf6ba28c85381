#include "retort/stats/linear_algebra.h"

#include "retort/base/error.h"

namespace retort {

Tensor null_space_projector(const Tensor& columns) {
  const Tensor a = columns.detach().cpu().to(at::kDouble);
  return at::eye(a.size(0), a.options()) - a.mm(at::linalg_pinv(a, /*rcond=*/1e-10));
}

PrincipalDirections principal_directions(const Tensor& rows, int64_t k) {
  if (rows.dim() != 2 || k < 1 || k > std::min(rows.size(0), rows.size(1))) {
    throw ConfigError(fmt::format("principal_directions: {} directions of {} rows", k,
                                  rows.dim() == 2 ? fmt::format("[{}]", fmt::join(rows.sizes(), ", ")) : "no"),
                      "there are at most as many as rows, and as columns");
  }
  const Tensor x = rows.detach().cpu().to(at::kDouble), mean = x.mean(0);
  const auto [left, sizes, right] = at::linalg_svd(x - mean, /*full_matrices=*/false);
  Tensor directions = right.narrow(0, 0, k);  // [k, d]
  const Tensor heaviest = directions.gather(1, directions.abs().argmax(1, /*keepdim=*/true));
  directions = directions * at::where(heaviest < 0, -1.0, 1.0);
  return {mean, directions.t().contiguous(), sizes.narrow(0, 0, k).square() / static_cast<double>(x.size(0))};
}

Tensor random_rotation(int64_t k, Seed seed) {
  const Tensor draws = at::empty({k, k}, at::kDouble).normal_(0, 1, seed.generator());
  const auto [q, r] = at::linalg_qr(draws);
  return q * r.diagonal().sign();
}

}  // namespace retort

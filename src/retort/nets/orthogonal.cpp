#include "retort/nets/orthogonal.h"

#include "retort/base/error.h"
#include "retort/stats/linear_algebra.h"

namespace retort {

Tensor orthogonal_columns(const Tensor& raw, OrthogonalMap map) {
  if (raw.dim() != 2) throw ConfigError(fmt::format("orthogonal_columns: expected a matrix, received [{}]", fmt::join(raw.sizes(), ", ")));
  if (raw.size(1) > raw.size(0)) return orthogonal_columns(raw.t(), map).t();
  const int64_t m = raw.size(0), n = raw.size(1);
  const Tensor lower = at::constant_pad_nd(raw.to(at::kDouble).tril(), {0, m - n}), skew = lower - lower.t();
  Tensor rotation;
  if (map == OrthogonalMap::exponential) {
    rotation = at::linalg_matrix_exp(skew);
  } else {
    const Tensor identity = at::eye(m, skew.options());
    rotation = at::linalg_solve(identity - skew / 2, identity + skew / 2);
  }
  return rotation.narrow(1, 0, n).to(raw.scalar_type());
}

Net orthogonal_projector(const std::vector<int64_t>& from_shape, int64_t to, OrthogonalMap map, bool fixed_base, Seed seed) {
  const int64_t from = from_shape.back(), large = std::max(from, to);
  NetBuilder b(seed);
  const Slot raw = b.param("raw", {to, from}, fixed_base ? Init{} : Init{Init::Kind::normal, 1});
  const Slot base = b.buffer("base", {large, large}, 0);
  b.block("projector", [=](const Tensor& x, const Frame& frame) {
    const Tensor columns = orthogonal_columns(frame.params[raw], map), &rotation = frame.buffers[base];
    const Tensor projection = to >= from ? rotation.mm(columns) : columns.mm(rotation);
    return x.matmul(projection.t());
  });
  Net net = b.finish({{"arch", "orthogonal projector"}}, from_shape, 0);
  Tensor start = at::eye(large);
  if (fixed_base) {
    start = random_rotation(large, seed.stream("base"));
    if (at::linalg_det(start).item<double>() < 0) start.select(1, 0).neg_();  // a rotation, without a mirror
  }
  Tensor buffer = net.buffers()[base];
  buffer.copy_(start);
  return net;
}

}  // namespace retort

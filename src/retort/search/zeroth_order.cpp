#include "retort/search/zeroth_order.h"

#include "retort/base/error.h"

namespace retort::search {
namespace {

Tensor of_unit_length(const Tensor& directions) {
  const Tensor flat = directions.flatten(1);
  return (flat / flat.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12)).view(directions.sizes());
}

}  // namespace

Tensor unit_directions(int64_t count, const Tensor& like, at::Generator generator) {
  std::vector<int64_t> shape = like.sizes().vec();
  shape[0] = count;
  return of_unit_length(at::empty(shape, like.options()).normal_(0, 1, std::move(generator)));
}

ZerothOrder zeroth_order_gradient(const Tensor& x, const Tensor& directions, double mu, const RowLoss& loss, bool antithetic) {
  const int64_t b = x.size(0);
  if (!(mu > 0))
    throw ConfigError(fmt::format("zeroth-order gradient: mu = {}, expected above 0", mu), "about 0.01 of the range of the inputs");
  if (b == 0 || directions.size(0) == 0 || directions.size(0) % b != 0 || directions.sizes().slice(1) != x.sizes().slice(1)) {
    throw ConfigError(fmt::format("zeroth-order gradient: directions [{}] for inputs [{}]; expected q times as many rows, q at least 1",
                                  fmt::join(directions.sizes(), ", "), fmt::join(x.sizes(), ", ")));
  }
  const at::NoGradGuard no_grad;
  const int64_t q = directions.size(0) / b, d = x.numel() / b;
  const Tensor u = of_unit_length(directions).view({q, b, -1}), start = x.detach().reshape({1, b, d});
  const auto at_points = [&](const Tensor& points, int64_t rows) {
    std::vector<int64_t> shape = x.sizes().vec();
    shape[0] = rows;
    return loss(points.reshape(shape));
  };
  const Tensor here = at_points(start, b).view({1, b, 1}), there = at_points(start + mu * u, q * b).view({q, b, 1});
  const Tensor slope = antithetic ? (there - at_points(start - mu * u, q * b).view({q, b, 1})) / (2 * mu) : (there - here) / mu;
  return {((u * slope).sum(0) * (static_cast<double>(d) / static_cast<double>(q))).view(x.sizes()), here.flatten()};
}

}  // namespace retort::search

#include "retort/nets/quantiser.h"

#include "retort/base/error.h"

namespace retort {
namespace {

// [n] -> [buckets, size]; a short last bucket is filled up with the last value.
Tensor in_buckets(const Tensor& flat, int64_t size) {
  const int64_t missing = (size - flat.numel() % size) % size;
  const Tensor full = missing > 0 ? at::cat({flat, flat.slice(0, -1).expand({missing})}) : flat;
  return full.view({-1, size});
}

void check_levels(int64_t levels) {
  if (levels < 2 || levels > (int64_t{1} << 16))
    throw ConfigError(fmt::format("quantiser: {} levels, expected 2 to 65536", levels), "1 bit has 2 levels, 16 bits have 65536");
}

void check_points(const Tensor& points) {
  if (points.dim() != 1 || points.numel() < 2) throw ConfigError(fmt::format("quantiser: {} points, expected at least 2", points.numel()));
  const Tensor gaps = points.detach().slice(0, 1) - points.detach().slice(0, 0, -1);
  if (!(gaps >= 0).all().item<bool>()) throw ConfigError("quantiser: the points are not in rising order", "sort them first");
}

class StraightThrough : public torch::autograd::Function<StraightThrough> {
 public:
  static Tensor forward(torch::autograd::AutogradContext*, const Tensor&, const Tensor& quantised) { return quantised.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list gradients) {
    return {gradients[0], Tensor()};
  }
};

}  // namespace

Tensor BucketScale::alpha() const {
  const Tensor spread = high.to(at::kDouble) - low.to(at::kDouble);
  return at::where(spread < 1e-10, at::ones_like(spread), spread);
}

BucketScale bucket_scale(const Tensor& values, int64_t bucket) {
  if (bucket < 0 || bucket == 1)
    throw ConfigError(fmt::format("quantiser: buckets of {}, expected at least 2 entries", bucket),
                      "0 puts a whole tensor into one bucket");
  const Tensor flat = values.detach().flatten().to(at::kFloat);
  if (!at::isfinite(flat).all().item<bool>())
    throw DataError("quantiser: the weights are not finite", "a diverged training cannot be quantised: lower train.lr");
  const int64_t size = bucket == 0 ? flat.numel() : std::min(bucket, flat.numel());
  const Tensor rows = in_buckets(flat, size);
  return {rows.amin(1), rows.amax(1), size};
}

Tensor to_unit(const Tensor& values, const BucketScale& scale) {
  const Tensor flat = values.detach().flatten().to(at::kDouble), rows = in_buckets(flat, scale.size);
  return ((rows - scale.low.to(at::kDouble).unsqueeze(1)) / scale.alpha().unsqueeze(1)).flatten().narrow(0, 0, flat.numel());
}

Tensor from_unit(const Tensor& levels, const BucketScale& scale) {
  const Tensor rows = in_buckets(levels, scale.size);
  return (scale.low.to(at::kDouble).unsqueeze(1) + scale.alpha().unsqueeze(1) * rows).flatten().narrow(0, 0, levels.numel()).to(at::kFloat);
}

Tensor Quantised::values() const {
  const Tensor at_levels = points.defined() ? points.to(at::kDouble).index_select(0, indices)
                                            : indices.to(at::kDouble) / static_cast<double>(levels - 1);
  return from_unit(at_levels, scale).view(shape);
}

Quantised quantise_uniform(const Tensor& values, int64_t levels, int64_t bucket, at::Generator* dice) {
  check_levels(levels);
  const at::NoGradGuard no_grad;
  Quantised q{bucket_scale(values, bucket), {}, {}, levels, values.sizes().vec()};
  const Tensor steps = to_unit(values, q.scale) * static_cast<double>(levels - 1);
  const Tensor rounded = dice ? (steps + at::rand(steps.sizes(), *dice, at::kDouble).to(steps.device())).floor() : steps.round();
  q.indices = rounded.clamp(0, static_cast<double>(levels - 1)).to(at::kLong);
  return q;
}

Tensor nearest_points(const Tensor& unit, const Tensor& points) {
  check_points(points);
  const Tensor p = points.detach().to(at::kDouble), middles = (p.slice(0, 1) + p.slice(0, 0, -1)) / 2;
  return at::bucketize(unit, middles, /*out_int32=*/false, /*right=*/true);
}

Tensor on_points(const Tensor& assignment, const Tensor& points, const BucketScale& scale) {
  return from_unit(points.to(at::kDouble).index_select(0, assignment), scale);
}

Quantised quantise_on_points(const Tensor& values, const Tensor& points, int64_t bucket) {
  const BucketScale scale = bucket_scale(values, bucket);
  return {scale, points.detach().clone(), nearest_points(to_unit(values, scale), points), points.numel(), values.sizes().vec()};
}

Tensor percentile_points(const Tensor& unit, int64_t count) {
  if (count < 2) throw ConfigError(fmt::format("quantiser: {} points, expected at least 2", count));
  const Tensor sorted = std::get<0>(unit.sort()), places = at::linspace(0, static_cast<double>(unit.numel() - 1), count, at::kDouble);
  const Tensor below = places.floor().to(at::kLong), above = (below + 1).clamp_max(unit.numel() - 1);
  return at::lerp(sorted.index_select(0, below), sorted.index_select(0, above), places - below).to(at::kFloat);
}

Tensor even_points(int64_t count) {
  if (count < 2) throw ConfigError(fmt::format("quantiser: {} points, expected at least 2", count));
  return at::linspace(0, 1, count, at::kFloat);
}

Tensor straight_through(const Tensor& weights, const Tensor& quantised) { return StraightThrough::apply(weights, quantised); }

std::vector<int64_t> share_out(const std::vector<double>& gradient_norms, const std::vector<int64_t>& initial, bool points) {
  if (gradient_norms.size() != initial.size() || initial.empty()) {
    throw ConfigError(fmt::format("quantiser: {} gradient norms for {} tensors", gradient_norms.size(), initial.size()),
                      "one norm a tensor");
  }
  std::vector<int64_t> shares;
  for (const int64_t given : initial) shares.push_back(points ? given / 2 : given - 1);
  const auto sum = [](const auto& values) { return std::accumulate(values.begin(), values.end(), decltype(+values[0])(0)); };
  const int64_t total = sum(initial), rest = total - sum(shares);
  const double norms = sum(gradient_norms);
  for (size_t i = 0; i < shares.size(); ++i) {
    const double part = norms > 0 ? gradient_norms[i] / norms : 1.0 / static_cast<double>(shares.size());
    shares[i] += static_cast<int64_t>(std::nearbyint(part * static_cast<double>(rest)));  // halves to the even number
  }
  const int64_t over = sum(shares) - total;
  if (over > 0) *std::max_element(shares.begin(), shares.end()) -= over;
  if (over < 0) *std::min_element(shares.begin(), shares.end()) -= over;
  return shares;
}

}  // namespace retort

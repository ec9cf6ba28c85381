#include "retort/search/gaussian_process.h"

#include "retort/base/error.h"
#include "retort/search/bfgs.h"

namespace retort::search {
namespace {

const double kLogTwoPi = std::log(2 * M_PI);

// Squared distances of rows, [n, m]; by differences, so that equal rows are exactly 0 apart.
Tensor squared_distances(const Tensor& a, const Tensor& b) { return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2); }

Tensor shaped(const Tensor& squared, KernelForm form) {
  if (form == KernelForm::rbf) return (-0.5 * squared).exp();
  const Tensor r = (5 * squared).clamp_min(1e-20).sqrt();  // the root of 0 has no gradient
  return (1 + r + 5.0 / 3.0 * squared) * (-r).exp();
}

// The derivative of `shaped` by the squared distance, where `shape` is its value.
Tensor shaped_slope(const Tensor& squared, const Tensor& shape, KernelForm form) {
  if (form == KernelForm::rbf) return -0.5 * shape;
  const Tensor r = (5 * squared).sqrt();
  return -5.0 / 6.0 * (1 + r) * (-r).exp();
}

// The Cholesky factor; what is singular to rounding gets as little on its diagonal as helps.
Tensor cholesky_factor(const Tensor& matrix) {
  const double scale = matrix.detach().diagonal().mean().item<double>();
  for (double jitter = 0; jitter < 1e-2; jitter = jitter == 0 ? 1e-10 : 10 * jitter) {
    const Tensor raised = jitter == 0 ? matrix : matrix + jitter * scale * at::eye(matrix.size(0), matrix.options());
    const auto [factor, failed] = at::linalg_cholesky_ex(raised);
    if (failed.item<int>() == 0 && factor.detach().isfinite().all().item<bool>()) return factor;
  }
  return at::full_like(matrix, std::numeric_limits<double>::quiet_NaN());
}

// -1/2 r' K^-1 r - 1/2 log|K| - n/2 log 2 pi
Tensor evidence(const Tensor& factor, const Tensor& residual) {
  const Tensor whitened = at::linalg_solve_triangular(factor, residual.unsqueeze(1), /*upper=*/false);
  return -0.5 * whitened.square().sum() - factor.diagonal().log().sum() - 0.5 * static_cast<double>(residual.numel()) * kLogTwoPi;
}

void check_data(const Tensor& x, const Tensor& y) {
  if (x.dim() != 2 || y.dim() != 1 || x.size(0) != y.size(0) || x.size(0) == 0 || x.size(1) == 0) {
    throw ConfigError(fmt::format("gaussian process: expected places [n, d] and values [n], received [{}] and [{}]",
                                  fmt::join(x.sizes().vec(), ", "), fmt::join(y.sizes().vec(), ", ")));
  }
  if (!x.detach().isfinite().all().item<bool>() || !y.detach().isfinite().all().item<bool>())
    throw ConfigError("gaussian process: a place or a value is not finite", "leave out trials that failed");
}

Tensor normal_density(const Tensor& u) { return (-0.5 * u.square()).exp() / std::sqrt(2 * M_PI); }
Tensor normal_mass(const Tensor& u) { return 0.5 * at::erfc(-u / std::sqrt(2.0)); }

}  // namespace

Tensor covariance(const Tensor& a, const Tensor& b, const Kernel& kernel) {
  const Tensor scales = at::tensor(kernel.lengthscales, at::kDouble);
  return kernel.variance * shaped(squared_distances(a.to(at::kDouble) / scales, b.to(at::kDouble) / scales), kernel.form);
}

GaussianProcess::GaussianProcess(const Tensor& x, const Tensor& y, Kernel kernel, double noise, double mean)
    : x_(x.detach().to(at::kDouble)), kernel_(std::move(kernel)), noise_(noise), mean_(mean) {
  check_data(x, y);
  const auto& scales = kernel_.lengthscales;
  const bool positive = std::all_of(scales.begin(), scales.end(), [](double l) { return l > 0; }) && kernel_.variance > 0 && noise > 0;
  if (!positive) throw ConfigError("gaussian process: length-scales, variance and noise must be above 0");
  if (scales.size() != 1 && static_cast<int64_t>(scales.size()) != x.size(1)) {
    throw ConfigError(fmt::format("gaussian process: {} length-scales for {} columns", scales.size(), x.size(1)),
                      "give one, or one a column");
  }
  const at::NoGradGuard no_grad;
  factor_ = cholesky_factor(covariance(x_, x_, kernel_) + noise * at::eye(x_.size(0), at::kDouble));
  const Tensor residual = y.detach().to(at::kDouble) - mean;
  weights_ = at::cholesky_solve(residual.unsqueeze(1), factor_).squeeze(1);
  evidence_ = evidence(factor_, residual).item<double>();
}

Prediction GaussianProcess::at(const Tensor& places) const {
  const Tensor cross = covariance(places, x_, kernel_);  // [m, n]
  const Tensor whitened = at::linalg_solve_triangular(factor_, cross.t(), /*upper=*/false);
  return {mean_ + cross.mv(weights_), (kernel_.variance - whitened.square().sum(0)).clamp_min(0)};
}

GaussianProcess fit_gaussian_process(const Tensor& places, const Tensor& values, const FitPlan& plan, Seed seed) {
  check_data(places, values);
  const Tensor x = places.detach().to(at::kDouble), y = values.detach().to(at::kDouble);
  const int64_t d = x.size(1), n = x.size(0);
  const double median = 0.5 * std::sqrt(static_cast<double>(d));
  // Variables: log length-scales, log variance, log (noise - least), mean.
  const Tensor centre = at::cat({at::full({d}, std::log(median), at::kDouble), at::tensor({0.0, std::log(1e-2), 0.0}, at::kDouble)});
  const Tensor spread = at::cat({at::ones({d}, at::kDouble), at::tensor({1.0, 2.0, 1.0}, at::kDouble)});
  const auto settings = [&](const Tensor& v) {
    return std::tuple(v.narrow(0, 0, d).exp(), v[d].exp(), v[d + 1].exp() + plan.least_noise,
                      plan.fit_mean ? v[d + 2] : at::zeros({}, at::kDouble));
  };
  const Tensor parts = (x.unsqueeze(1) - x.unsqueeze(0)).square();  // [n, n, d]
  // The gradient in closed form (eq. 5.9), so that a process which has only searched can still fork trials that compute gradients.
  const auto loss = [&](const Tensor& v, Tensor& gradient) {
    const auto [scales, variance, noise, mean] = settings(v);
    const Tensor scaled_parts = parts / scales.square(), squared = scaled_parts.sum(2), shape = shaped(squared, plan.form);
    const Tensor factor = cholesky_factor(variance * shape + noise * at::eye(n, at::kDouble)), residual = y - mean;
    double value = -evidence(factor, residual).item<double>();
    if (!std::isfinite(value)) return value;
    const Tensor inverse = at::cholesky_inverse(factor), weights = inverse.mv(residual), outer = inverse - weights.outer(weights);
    gradient = at::zeros({d + 3}, at::kDouble);
    const Tensor slope = outer * shaped_slope(squared, shape, plan.form);
    gradient.narrow(0, 0, d) = -variance * (slope.unsqueeze(2) * scaled_parts).sum(at::IntArrayRef({0, 1}));
    gradient[d] = 0.5 * variance * (outer * shape).sum();
    gradient[d + 1] = 0.5 * outer.diagonal().sum() * v[d + 1].exp();
    if (plan.fit_mean) gradient[d + 2] = -weights.sum();
    if (plan.priors) {
      const Tensor away = (v - centre) / spread;
      value += 0.5 * away.square().sum().item<double>();
      gradient += away / spread;
    }
    return value;
  };
  Minimum best;
  for (int i = 0; i < std::max(1, plan.starts); ++i) {
    Dice dice(seed.stream("start", static_cast<uint64_t>(i)));
    Tensor start = centre.clone();
    if (i > 0)
      for (int64_t k = 0; k < d + 2; ++k) start[k] += dice.normal();
    if (!plan.priors && plan.fit_mean) start[d + 2] = y.mean();
    const Minimum found = minimise(loss, start, plan.rounds);
    if (!best.at.defined() || found.value < best.value) best = found;
  }
  const auto [scales, variance, noise, mean] = settings(best.at);
  const Tensor lengths = scales.contiguous();
  Kernel kernel{plan.form, {lengths.data_ptr<double>(), lengths.data_ptr<double>() + d}, variance.item<double>()};
  return GaussianProcess(x, y, std::move(kernel), noise.item<double>(), mean.item<double>());
}

Tensor expected_improvement(const Prediction& prediction, double best) {
  const Tensor gain = prediction.mean - best, deviation = prediction.variance.clamp_min(1e-300).sqrt(), u = gain / deviation;
  return (gain * normal_mass(u) + deviation * normal_density(u)).clamp_min(0);
}

}  // namespace retort::search

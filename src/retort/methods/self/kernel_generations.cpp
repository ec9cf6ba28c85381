#include "retort/methods/self/kernel_generations.h"

namespace retort::self {

KernelGenerations kernel_generations(const KernelRidge& ridge, const Tensor& labels, int64_t generations, const ChooseGtWeight& choose) {
  const Tensor y = labels.to(at::kDouble), from_labels = ridge.coefficients(y), fit = ridge.fitted(y);
  KernelGenerations all{{1.0}, {fit}, {from_labels}};
  for (int64_t t = 2; t <= generations; ++t) {
    const Tensor from_last = ridge.coefficients(all.fitted.back());
    const double weight = choose(t, from_labels, from_last);
    all.gt_weights.push_back(weight);
    all.coefficients.push_back(weight * from_labels + (1 - weight) * from_last);
    all.fitted.push_back(ridge.fitted(weight * y + (1 - weight) * all.fitted.back()));
  }
  return all;
}

Tensor fitted_directly(const KernelRidge& ridge, const Tensor& labels, const std::vector<double>& gt_weights) {
  const Tensor a = ridge.eigenvalues() / (ridge.eigenvalues() + ridge.lambda());
  const auto t = static_cast<int64_t>(gt_weights.size());
  double rest = 1;  // prod_{j>i} (1 - w_j)
  Tensor weights = at::zeros_like(a);
  for (int64_t i = t; i >= 2; --i) {
    const double weight = gt_weights[static_cast<size_t>(i - 1)];
    weights = weights + weight * rest * a.pow(static_cast<double>(t - i + 1));
    rest *= 1 - weight;
  }
  return ridge.filtered(weights + rest * a.pow(static_cast<double>(t)), labels);
}

Tensor shrinkage(const Tensor& eigenvalues, double lambda, const std::vector<double>& gt_weights) {
  const Tensor d = eigenvalues.to(at::kDouble), a = d / (d + lambda);
  Tensors rows = {a};
  for (size_t t = 1; t < gt_weights.size(); ++t) rows.push_back(a * ((1 - gt_weights[t]) * rows.back() + gt_weights[t]));
  return at::stack(rows);
}

Tensor limit_coefficients(const KernelRidge& ridge, const Tensor& labels, double gt_weight) {
  return ridge.filtered(gt_weight / (gt_weight * ridge.eigenvalues() + ridge.lambda()), labels);
}

}  // namespace retort::self

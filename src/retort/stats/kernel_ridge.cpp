#include "retort/stats/kernel_ridge.h"

#include "retort/base/error.h"

namespace retort {
namespace {

ConfigError no_kernel(const std::string& line) {
  return ConfigError("kernel ridge: " + line, "a kernel's matrix is square, symmetric and has no eigenvalue below 0");
}

}  // namespace

std::vector<std::string> kernel_names() { return {"rbf", "laplace", "linear"}; }

Tensor gram(const Kernel& kernel, const Tensor& a, const Tensor& b) {
  if (!(kernel.gamma > 0)) throw ConfigError(fmt::format("kernel: gamma: expected a number above 0, found {}", kernel.gamma));
  if (a.dim() != 2 || b.dim() != 2 || a.size(1) != b.size(1)) {
    throw ConfigError(fmt::format("kernel: expected two matrices of rows of one width, received [{}] and [{}]", fmt::join(a.sizes(), ", "),
                                  fmt::join(b.sizes(), ", ")));
  }
  if (kernel.kind == "linear") return kernel.gamma * a.mm(b.t());
  if (kernel.kind == "laplace") return (-kernel.gamma * at::cdist(a, b, 1)).exp();
  if (kernel.kind != "rbf")
    throw ConfigError(fmt::format("kernel: there is no kernel '{}'", kernel.kind),
                      fmt::format("kernels are {}", fmt::join(kernel_names(), ", ")));
  const Tensor squares = a.square().sum(1, /*keepdim=*/true) - 2 * a.mm(b.t()) + b.square().sum(1);
  return (-kernel.gamma * squares.clamp_min(0)).exp();
}

KernelRidge::KernelRidge(const Tensor& gram, double lambda) : gram_(gram.detach().cpu().to(at::kDouble)), lambda_(lambda) {
  if (!(lambda > 0) || !std::isfinite(lambda))
    throw ConfigError(fmt::format("kernel ridge: lambda: expected a number above 0, found {}", lambda),
                      "without a ridge the limit of self-distillation is 0 divided by 0");
  if (gram_.dim() != 2 || gram_.size(0) != gram_.size(1) || gram_.size(0) < 1)
    throw no_kernel(fmt::format("expected a square matrix, received [{}]", fmt::join(gram_.sizes(), ", ")));
  if (!gram_.isfinite().all().item<bool>()) throw no_kernel("the kernel's matrix has entries that are not finite");
  const double size = gram_.abs().max().item<double>();
  const double skew = (gram_ - gram_.t()).abs().max().item<double>();
  if (skew > 1e-6 * size) throw no_kernel(fmt::format("the kernel's matrix is not symmetric: entries differ by {:.3g}", skew));
  gram_ = (gram_ + gram_.t()) / 2;
  const auto [ascending, vectors] = at::linalg_eigh(gram_);
  const double least = ascending[0].item<double>();
  if (least < -1e-6 * size * static_cast<double>(points()))
    throw no_kernel(fmt::format("the kernel's matrix is indefinite: its smallest eigenvalue is {:.3g}", least));
  eigenvalues_ = ascending.flip(0).clamp_min(0).contiguous();
  eigenvectors_ = vectors.flip(1).contiguous();
  factor_ = at::linalg_cholesky(gram_ + lambda * at::eye(points(), gram_.options()));
}

Tensor KernelRidge::coefficients(const Tensor& targets) const { return at::cholesky_solve(targets.to(at::kDouble), factor_); }

Tensor KernelRidge::fitted(const Tensor& targets) const { return gram_.mm(coefficients(targets)); }

Tensor KernelRidge::filtered(const Tensor& weights, const Tensor& targets) const {
  return eigenvectors_.mm(weights.unsqueeze(1) * eigenvectors_.t().mm(targets.to(at::kDouble)));
}

}  // namespace retort

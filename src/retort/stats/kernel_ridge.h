// Kernel ridge regression in double: Gram matrices, and the linear smoother of a fixed set of points.
#pragma once

#include <string>
#include <vector>

#include "retort/base/tensor.h"

namespace retort {

struct Kernel {
  std::string kind = "rbf";  // rbf: exp(-gamma |a-b|^2); laplace: exp(-gamma |a-b|_1); linear: gamma a.b
  double gamma = 1;
};
std::vector<std::string> kernel_names();
// k(a_i, b_j): [n, d], [m, d] -> [n, m], of the type of `a`. Throws ConfigError (unknown kind, gamma <= 0, widths that differ).
Tensor gram(const Kernel& kernel, const Tensor& a, const Tensor& b);

// Minimises |K c - y|^2 + lambda c'K c over the coefficients c; lambda is not multiplied by the number of points.
class KernelRidge {
 public:
  // gram: [n, n]. Throws ConfigError: lambda <= 0, a matrix that is not square, not symmetric, not finite, or has an eigenvalue below 0.
  KernelRidge(const Tensor& gram, double lambda);
  // (K + lambda I)^-1 targets, by Cholesky: the function is x -> k(x, X) coefficients. [n, m] -> [n, m]
  Tensor coefficients(const Tensor& targets) const;
  // H targets, H = K (K + lambda I)^-1: its values at the points themselves.
  Tensor fitted(const Tensor& targets) const;
  // V diag(weights) V' targets: a function of K applied through its spectrum. weights: [n], in the order of eigenvalues().
  Tensor filtered(const Tensor& weights, const Tensor& targets) const;
  const Tensor& eigenvalues() const { return eigenvalues_; }  // of K, [n], largest first, none below 0
  double lambda() const { return lambda_; }
  int64_t points() const { return gram_.size(0); }

 private:
  Tensor gram_, factor_, eigenvalues_, eigenvectors_;
  double lambda_;
};

}  // namespace retort

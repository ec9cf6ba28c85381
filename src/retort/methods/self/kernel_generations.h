// Kernel ridge self-distillation in closed form: every generation of a kernel machine that learns from the labels and from its own last one.
// arXiv 2102.13088. K is the kernel's matrix of the n points, H = K (K + lambda I)^-1, y the labels [n, m]; generations are numbered from 1.
#pragma once

#include "retort/nets/net.h"
#include "retort/stats/kernel_ridge.h"

namespace retort::self {

struct KernelGenerations {
  std::vector<double> gt_weights;  // of each generation; the first one's is 1
  Tensors fitted;                  // ys_t = H target_t, [n, m]
  Tensors coefficients;            // f_t(x) = k(x, X) coefficients_t, [n, m]
};
// The weight of a generation t >= 2, from the coefficients of the fit to y alone and of the fit to ys_{t-1} alone.
using ChooseGtWeight = std::function<double(int64_t generation, const Tensor& from_labels, const Tensor& from_last)>;
// target_1 = y, target_t = w_t y + (1 - w_t) ys_{t-1}; one Cholesky factor serves them all.
KernelGenerations kernel_generations(const KernelRidge& ridge, const Tensor& labels, int64_t generations, const ChooseGtWeight& choose);

// Without going through the generations between: [ prod_{j=2..t}(1-w_j) H^t + sum_{i=2..t} w_i prod_{j>i}(1-w_j) H^{t-i+1} ] y, where t is the number
// of weights (the first, of generation 1, counts as 1).
Tensor fitted_directly(const KernelRidge& ridge, const Tensor& labels, const std::vector<double>& gt_weights);
// The spectrum of that: b_1 = a, b_t = a ((1-w_t) b_{t-1} + w_t) with a = d / (d + lambda). [t, n], eigenvalues d largest first.
Tensor shrinkage(const Tensor& eigenvalues, double lambda, const std::vector<double>& gt_weights);
// Infinitely many generations of one weight w: w (w K + lambda I)^-1 y, the ridge fit with lambda / w; 0 for w = 0. [n, m]
Tensor limit_coefficients(const KernelRidge& ridge, const Tensor& labels, double gt_weight);

}  // namespace retort::self

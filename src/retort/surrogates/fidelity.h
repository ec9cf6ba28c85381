// How faithful a surrogate is to the model that it stands for. Fidelity is not accuracy: it compares with what the model says, not with the truth.
#pragma once

#include "retort/base/tensor.h"

namespace retort {

// 1 - sum (target - guess)^2 / sum (target - mean)^2 of two [n] or [n, c] tensors; 1 where both sums are 0, -inf where only the second is.
double r_squared(const Tensor& guess, const Tensor& target);
// Share of equal decisions, [n] int64 each.
double agreement_share(const Tensor& guess, const Tensor& target);
// Cohen's kappa: agreement beyond chance; 1 where both say one class only and agree.
double cohen_kappa(const Tensor& guess, const Tensor& target);
// Against the truth: F1 averaged over the classes that occur in either, and Matthews' correlation for any number of classes (0 where undefined).
double macro_f1(const Tensor& guess, const Tensor& truth);
double matthews(const Tensor& guess, const Tensor& truth);

}  // namespace retort

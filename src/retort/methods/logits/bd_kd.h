// 67 BD-KD: teacher and student learn together, and two divergences are balanced sample by sample by who is the surer.  arXiv 2212.12965
#pragma once

#include "retort/train/method.h"

namespace retort::logits {

// Per-sample weights of the forward and of the reverse divergence, [batch] each, without gradient. With g = H(p_t) - H(p_s) at temperature T:
// g > 0 (the student is the surer) gives the forward one delta and the reverse one 1, otherwise the other way round. kappa > 0 replaces the
// switch by 1 + (delta-1) * sigmoid(+-g / kappa).
struct Balance {
  Tensor forward, reverse;
};
Balance divergence_balance(const Tensor& student, const Tensor& teacher, double temperature, double delta, double kappa = 0);

// T^2 * mean_b [a_b KL(p_t || p_s) + b_b KL(p_s || p_t)]; the teacher carries no gradient. Logits [batch, classes]; scalar.
Tensor balanced_loss(const Tensor& student, const Tensor& teacher, double temperature, const Balance& balance);

Method bd_kd();

}  // namespace retort::logits

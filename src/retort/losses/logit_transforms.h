// What may be done to logits before two models are compared. [batch, classes] -> the same shape; gradients flow through the statistics.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// (z - mean) / sqrt(variance + eps) with the biased variance. A batch of one row becomes 0, without gradient.
Tensor standardised_by_class(const Tensor& logits, double eps = 1e-5);  // each class over the batch: LumiNet's perception, arXiv 2310.03669
Tensor standardised_by_sample(const Tensor& logits, double eps = 1e-5);  // each row over its classes

}  // namespace retort::losses

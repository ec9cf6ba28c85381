// 112 Function matching: the same heavily mixed view for teacher and student, no labels, patience.  arXiv 2106.05237
#pragma once

#include "retort/train/method.h"

namespace retort::logits {

// T^2 * sum over teachers of mean_b KL(softmax(z_t/T) || softmax(z_s/T)): student [batch, classes], teachers alike. Scalar.
Tensor matching_loss(const Tensor& student, const Tensors& teachers, double temperature);

Method funmatch();

}  // namespace retort::logits

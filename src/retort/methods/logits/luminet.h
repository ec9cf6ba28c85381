// 55 LumiNet: teach how a sample's logits stand among its batch, not how sure the teacher is of it.  arXiv 2310.03669
#pragma once

#include "retort/train/method.h"

namespace retort::logits {

// What the two sides are compared as: standardised per class over the batch (the paper's perception, eq. 3), per sample over the classes, or raw.
enum class Centring { batch, sample, none };

// alpha^2 * mean_b KL(softmax(h_t/T) || softmax(h_s/T)), without a factor T^2; h are the centred logits [batch, classes]. Scalar.
Tensor perception_loss(const Tensor& student, const Tensor& teacher, double alpha, double temperature, Centring centring = Centring::batch);

Method luminet();

}  // namespace retort::logits

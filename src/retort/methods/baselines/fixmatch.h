// FixMatch and pseudo-labelling: what few labels and many unlabelled samples give without any teacher.
#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Mean over all rows of [max softmax(weak) > threshold] * CE(strong, argmax weak); weak, strong: logits [batch, classes] of two views.
Tensor consistency_loss(const Tensor& weak, const Tensor& strong, double threshold);

Method fixmatch();

}  // namespace retort::baselines

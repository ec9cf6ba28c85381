#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// w_ce * CE + w_kd * T^2 KL(teacher || student), in one pass where both count and the labels are plain. Without w_kd no teacher is looked at.
Loss hinton_loss(const Step& step, double temperature, double w_ce, double w_kd);

// Knowledge distillation: softened teacher probabilities beside the labels.
Method hinton();

}  // namespace retort::baselines

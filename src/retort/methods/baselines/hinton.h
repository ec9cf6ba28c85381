#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Knowledge distillation: softened teacher probabilities beside the labels.
Method hinton();

}  // namespace retort::baselines

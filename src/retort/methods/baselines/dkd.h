#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Decoupled knowledge distillation.
Method dkd();

}  // namespace retort::baselines

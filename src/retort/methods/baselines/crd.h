#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Contrastive representation distillation.
Method crd();

}  // namespace retort::baselines

#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Cross-entropy with smoothed labels.
Method ls();

}  // namespace retort::baselines

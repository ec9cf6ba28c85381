#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Cross-entropy with the labels: what every other method has to beat.
Method ce();

}  // namespace retort::baselines

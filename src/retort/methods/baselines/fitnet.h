#pragma once

#include "retort/train/method.h"

namespace retort::baselines {

// Hints: the student's middle features, regressed onto the teacher's.
Method fitnet();

}  // namespace retort::baselines

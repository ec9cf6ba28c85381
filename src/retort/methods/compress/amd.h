// 34 AMD: a teacher assistant of the right size, chosen among slices of the teacher that one run trains together.  arXiv 2407.04208
#pragma once

#include "retort/methods/compress/assistant_choice.h"
#include "retort/train/method.h"

namespace retort::compress {

Method amd();

}  // namespace retort::compress

// 76 StableKD: blocks of the student learn apart from each other, each from the teacher's features, and are then merged.  arXiv 2312.13223
#pragma once

#include "retort/methods/features/blocks.h"
#include "retort/train/method.h"

namespace retort::features {

Method stablekd();

}  // namespace retort::features

// Distill-and-Compare: what a score uses and how that differs from what the outcome justifies, from a log alone.
#pragma once

#include "retort/train/method.h"

namespace retort::audit {

Method distill_compare();

}  // namespace retort::audit

// A small net that tells a student's logits from its teacher's. It learns beside the student and is dropped when training ends.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// Linear layers classes -> classes/shrink -> classes/shrink^2 -> 2 with ReLU behind each (arXiv 2009.08453); the last ReLU can leave both answers at 0
// without a gradient, so that it may be left out. Throws ConfigError for classes < shrink^2.
Net logit_discriminator(int64_t classes, int64_t shrink, bool last_relu, Seed seed);

}  // namespace retort

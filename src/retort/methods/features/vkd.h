// Features through an orthogonal projector: what it cannot absorb, the student must learn.  Miles et al. 2024, arXiv 2403.06213
#pragma once

#include "retort/train/method.h"

namespace retort::features {

// Of an image classifier (task = "classify"), or of a generator whose discriminator learns features beside (task = "generate", vkd_generate.h).
Method vkd();

}  // namespace retort::features

// Robust Active Distillation: which points to ask a teacher about that is sometimes wrong.
#pragma once

#include "retort/train/method.h"

namespace retort::blackbox {

// What a teacher is taken to get wrong among n points, from its accuracy on held-out rows: round((1 - accuracy) * n), below n.
int64_t wrong_among(int64_t n, double accuracy);
// Soft answers [n, classes] with a share made wrong: the most likely class and another one change places, drawn by sample id.
Tensor flipped_answers(const Tensor& probabilities, const Tensor& ids, double share, Seed seed);

Method rad();

}  // namespace retort::blackbox

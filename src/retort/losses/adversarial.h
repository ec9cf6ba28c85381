// Losses between a net and a discriminator that tells its outputs from another's.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// The same values; the gradient that flows back is multiplied by -scale (Ganin and Lempitsky 2015).
Tensor gradient_reversed(const Tensor& x, double scale = 1);

// Binary cross-entropy of two logits a row, mean over all [2b, 2] of them: student rows should answer (1, 0), teacher rows (0, 1). Each side [b, 2].
Tensor discriminator_loss(const Tensor& of_student, const Tensor& of_teacher);

}  // namespace retort::losses

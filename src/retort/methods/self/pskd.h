// 87 Progressive self-knowledge distillation: targets soften by what the model said of a sample an epoch ago.  arXiv 2006.12000
#pragma once

#include "retort/train/method.h"

namespace retort::self {

// Eq. 5: alpha_T * t / T_total; epochs t count from 1.
double refinement_share(double alpha, int64_t epoch, int64_t epochs);

// By what the softened target rescales the gradient at the target class, as against the label's own (eq. 8):
//   1 - share * (1 - past_y) / (1 - now_y), for probabilities of the label [n] then and now.
// Smaller, even negative, for samples that got easier since: hard examples are mined.
Tensor gradient_rescaling(const Tensor& past, const Tensor& now, double share);

Method pskd();

}  // namespace retort::self

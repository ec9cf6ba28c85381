// 119 BOSS: a search for hyper-parameters whose trials start from, and are taught by, the best models of earlier trials.  arXiv 2304.12666
#pragma once

#include "retort/methods/search/lineage.h"
#include "retort/train/method.h"

namespace retort::search {

// Step 3: alpha * CE + (1 - alpha) * mean over batch and classes of the squared difference of the raw logits [batch, classes]. At alpha = 1 the
// teacher has no part in it.
Loss boss_loss(const Tensor& student, const Tensor& teacher, const Tensor& label_term, double alpha);

Method boss();

}  // namespace retort::search

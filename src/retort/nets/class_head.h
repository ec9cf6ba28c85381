// Students that decide between more, finer classes than they are asked about.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// [batch, classes * subclasses] -> [batch, classes]: logsumexp over each class's subclasses, so that softmax of it sums their probabilities.
Tensor joined_subclasses(const Tensor& logits, int64_t subclasses);

// The net with that as its last block, called "classes"; its subclass logits stay the tap "logits". The spec gains "subclasses", from which
// make_net makes it again. Throws ConfigError unless the net's outputs are a multiple of `subclasses`.
Net with_class_head(const Net& net, int64_t subclasses);

}  // namespace retort

// Magnitude pruning: which weights of a net are kept.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// One mask a parameter, 1 where it is kept; all weights (parameters of two and more dimensions) at first, biases and norms always.
Tensors full_masks(const Net& net);
// Of the weights still kept, takes away the share (rounded down) of smallest size over all layers together (Frankle and Carbin 2019).
Tensors pruned_masks(const Net& net, const Tensors& masks, double share);
void apply_masks(Net& net, const Tensors& masks);
double sparsity(const Tensors& masks);  // share of the weights that are gone

}  // namespace retort

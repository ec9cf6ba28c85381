// The linear layer that ends every architecture: reading it, writing it, and two of them side by side.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// Where it lies in Net::params(). weight [outputs, width], bias [outputs].
struct LastLayer {
  Slot weight, bias;
};
LastLayer last_layer(const Net& net);  // throws ConfigError for a net that does not end in one
// Puts weight [outputs, width] and bias [outputs] in its place.
void set_last_layer(Net& net, const Tensor& weight, const Tensor& bias);

// The net with a second last layer beside its own (drawn from `seed`), whose output is the mean of both: a head for labels and one for a teacher (DeiT,
// Touvron et al. 2021). Tap "logits" is [batch, 2 * outputs]: the net's own head, then the second. The tensors are copies.
Net with_twin_heads(const Net& net, Seed seed);
// The plain net that computes the same: both layers averaged into one.
Net joined_heads(const Net& twin);

}  // namespace retort

// Linear maps of channels: between nets of different widths, and inside a net.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// A map of channels that leaves everything else as it is: a linear layer ("map.weight", "map.bias") for vectors [d] and tokens [t,c], a 1x1 convolution
// for maps [c,h,w]. Throws ConfigError where the shapes differ in more than their channels.
Net linear_map(const std::vector<int64_t>& from, const std::vector<int64_t>& to, Seed seed);

// The weight as a matrix [out, in], whichever of the two it is; shares its memory.
Tensor map_matrix(const Net& map);
// What `first` and then `second` do is one map: {W2 W1, W2 b1 + b2}, as {matrix [out, in], bias [out]}; no gradient.
std::pair<Tensor, Tensor> folded_maps(const Net& first, const Net& second);

// The net with a map of its own width, the identity at first, behind each of the named blocks, as a block "map.<name>". The spec gains "maps", from
// which make_net makes it again. Throws ConfigError for a block that is not there.
Net with_linear_maps(const Net& net, const std::vector<std::string>& behind);
// Maps whose next layer is linear disappear in it (mlps without batch-norm): a net of the plain architecture, the same function. Others stay.
Net with_maps_absorbed(const Net& net);

}  // namespace retort

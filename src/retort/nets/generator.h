// Nets that make images out of codes, and their opponents, which tell made images from real ones (Radford et al. 2016, arXiv 1511.06434).
#pragma once

#include "retort/nets/net.h"

namespace retort {

struct GeneratorPlan {
  int64_t code = 100;          // numbers that an image is made of
  std::vector<int64_t> image;  // [c, h, w]
  int64_t width = 128;         // channels of the first maps; the last ones have half of them
  bool centred = true;         // pixels in [-1, 1] (tanh), or in [0, 1] (sigmoid)
  bool normal_linear = false;  // the first layer starts at N(0, 0.02) as well, instead of libtorch's way
};
// linear to maps of a quarter of the side, batch norm, up to half the side, conv, batch norm, leaky ReLU, up to the side, conv, batch norm, leaky ReLU,
// conv. Convolutions start at N(0, 0.02), scales of norms at N(1, 0.02). [b, code] -> [b, c, h, w]. Throws ConfigError for inputs that are no images.
Net image_generator(const GeneratorPlan& plan, Seed seed);

// Four convolutions of stride 2 (width, 2, 4 and 8 times as many channels), leaky ReLU and dropout of whole maps behind each, a linear layer: the logit of
// "real", [b, c, h, w] -> [b, 1]. Starts as the generator does.
Net image_discriminator(const std::vector<int64_t>& image, int64_t width, Seed seed);

}  // namespace retort

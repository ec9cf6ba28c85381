// Images between how nets read them and how people see them.
#pragma once

#include "retort/data/dataset.h"

namespace retort {

// Undoes prepare(): prepared images back to pixels in [0, 1]. [n, …shape] float32.
Tensor unit_pixels(const Tensor& prepared, const InputSpec& spec);

// Each image turned about its middle by an angle drawn from [-degrees, degrees] (bilinear, black outside), then Gaussian noise of so
// many grey levels (1 is the whole range) added and the result cut to [0, 1]. images: [n,c,h,w] float32 in [0, 1]; draws come from (seed, id).
Tensor tilted_images(const Tensor& images, const Tensor& ids, double degrees, double noise, Seed seed);

}  // namespace retort

// Another task or another look for the same images: [data] task, displace and invert.
#pragma once

#include "retort/data/dataset.h"

namespace retort {

// Turns every image of a square set by 0 to 3 quarter turns, drawn from (seed, sample id); returns how many, [n] int64.
Tensor turn_images(Dataset& data, Seed seed);

// task = "rotation": the quarter turns of each image become its label. displace: moved by up to so
// many pixels each way, drawn alike, filled with black. invert: 255 - x, at the end. Raw images of bytes only; throws ConfigError.
Dataset altered(Dataset data, const DataKnobs& knobs, Seed seed);

}  // namespace retort

// k-means clustering: k-means++ starts, Lloyd's iterations.
#pragma once

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

struct Clusters {
  Tensor centres;      // [k, d] double
  Tensor members;      // [n] int64: the nearest centre of each row
  double inertia = 0;  // mean squared distance to it
};
// Best of `starts` by inertia. A centre that loses all its rows moves to the row farthest from its centre. Throws ConfigError unless 1 <= k <= n.
Clusters kmeans(const Tensor& rows, int64_t k, Seed seed, int starts = 4, int most_rounds = 100);

}  // namespace retort

// How much the gradients of batches differ from each other.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// Collects gradients of single batches, each a list of tensors of the same parameters.
class GradientNoise {
 public:
  void add(const Tensors& gradients);
  double variance() const;     // sum of the entries' variances (n-1); 0 with fewer than two
  double mean_square() const;  // squared norm of the mean gradient
  double value() const { return variance() > 0 ? variance() / mean_square() : 0; }

 private:
  Tensor mean_, spread_;  // running mean; sum of squared deviations (Welford)
  int64_t count_ = 0;
};

}  // namespace retort

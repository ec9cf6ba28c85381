// Quasi-Newton minimisation of smooth functions of a few variables.
#pragma once

#include <functional>

#include "retort/base/tensor.h"

namespace retort::search {

struct Minimum {
  Tensor at;  // [n] double
  double value = 0;
  int rounds = 0;
};
// BFGS with backtracking (Nocedal and Wright 2006, algorithm 6.1 under the Armijo condition) from `start` [n]. `f` maps [n] to a scalar that autograd can
// follow; where it is not finite, steps are shortened. Ends after `rounds`, or when no entry of the gradient is above `tolerance`.
Minimum minimise(const std::function<Tensor(const Tensor&)>& f, const Tensor& start, int rounds = 100, double tolerance = 1e-5);

}  // namespace retort::search

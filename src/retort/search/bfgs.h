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
// The value at x [n], double; leaves the gradient [n] there too.
using Objective = std::function<double(const Tensor& x, Tensor& gradient)>;
// BFGS with backtracking (Nocedal and Wright 2006, algorithm 6.1 under the Armijo condition) from `start` [n]. Where `f` is not finite, steps are
// shortened and its gradient is not looked at. Ends after `rounds`, or when no entry of the gradient is above `tolerance`.
Minimum minimise(const Objective& f, const Tensor& start, int rounds = 100, double tolerance = 1e-5);

}  // namespace retort::search

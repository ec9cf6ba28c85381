// Gradients of what can only be evaluated: differences along random directions (Flaxman et al. 2005; Chen et al. 2017, arXiv 1708.03999).
#pragma once

#include <functional>

#include "retort/base/tensor.h"

namespace retort::search {

// A loss a row: [n, …] -> [n]. For estimates with several directions n is a multiple of the samples: row k * b + i belongs to sample i.
using RowLoss = std::function<Tensor(const Tensor& rows)>;

// Uniform on the unit sphere of all but the first dimension: `count` directions of the shape of a row of `like`, [count, …].
Tensor unit_directions(int64_t count, const Tensor& like, at::Generator generator);

struct ZerothOrder {
  Tensor gradient;  // [b, …]
  Tensor loss;      // [b], at x itself
};
// g_i = (d/q) sum_k u_ki (l(x_i + mu u_ki) - l(x_i)) / mu, d the size of a row. x: [b, …]; directions: [q*b, …], brought to length 1. Costs (q+1) b
// evaluations. `antithetic`: (l(x + mu u) - l(x - mu u)) / 2mu instead, at (2q+1) b. With small mu the difference drowns in float32: 0.01 is safe
// where losses are about 1. Throws ConfigError for mu <= 0 and for directions that are not q whole sets.
ZerothOrder zeroth_order_gradient(const Tensor& x, const Tensor& directions, double mu, const RowLoss& loss, bool antithetic = false);

}  // namespace retort::search

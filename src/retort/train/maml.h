// Learning to learn: a few gradient steps from shared weights, with the graph kept, so that the weights themselves can learn from where the steps
// lead (Finn et al. 2017, arXiv 1703.03400).
#pragma once

#include <functional>

#include "retort/nets/net.h"

namespace retort {

// A scalar of the weights.
using WeightLoss = std::function<Tensor(const Tensors& params)>;

// theta'_0 = theta, theta'_{j+1} = theta'_j - rate * gradient of loss(theta'_j). The result depends on `params` through every step: to the second
// order, or with the gradients taken as constants. `params` must ask for gradients. A weight that the loss does not use stays.
Tensors adapted(const Tensors& params, const WeightLoss& loss, int64_t steps, double rate, bool second_order);
// The same without a graph: for use, not for learning.
Tensors adapted_for_use(const Tensors& params, const WeightLoss& loss, int64_t steps, double rate);

}  // namespace retort

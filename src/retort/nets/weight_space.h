// Weights as points: sums of nets, and the running statistics that belong to a point.
#pragma once

#include <utility>
#include <vector>

#include "retort/nets/net.h"

namespace retort {

// A net whose parameters are the weighted sums of those of nets of one architecture; running statistics are the first one's. Throws ConfigError.
Net weighted_sum(const std::vector<std::pair<double, const Net*>>& terms);

// Fits the running statistics of batch-norm layers to `inputs` [n, …] by passes in training mode over batches; weights stay. Nets without such layers are
// left alone. At the end the net is in evaluation mode.
void refit_statistics(Net& net, const Tensor& inputs, int64_t batch = 256);

}  // namespace retort

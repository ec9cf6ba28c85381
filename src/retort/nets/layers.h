// The layers that architectures are written with. Each declares its parameters under `name` (torchvision's names: weight, bias, running_mean…)
// and returns a pure function. A weight starts as libtorch starts it unless an Init is given (then biases start at zero).
#pragma once

#include <optional>

#include "retort/nets/net.h"

namespace retort {

using MaybeInit = std::optional<Init>;

Layer linear(NetBuilder& b, const std::string& name, int64_t in, int64_t out, bool bias = true);
Layer linear_init(NetBuilder& b, const std::string& name, int64_t in, int64_t out, Init weight_init, bool bias = true);
// Convolutions bring their input to the channels-last layout (values and shapes stay); their outputs have it.
Layer conv2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0,
             int64_t groups = 1, bool bias = true, MaybeInit weight_init = {});
Layer conv_transpose2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding);
Layer batch_norm(NetBuilder& b, const std::string& name, int64_t channels, double eps = 1e-5, double momentum = 0.1);  // [b,c] or [b,c,h,w]
// Convolution (or linear layer) without bias + batch-norm under two names; folded into one operation in frozen nets.
Layer conv_bn(NetBuilder& b, const std::string& conv, const std::string& norm, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
              int64_t padding = 0, int64_t groups = 1, MaybeInit weight_init = {});
Layer linear_bn(NetBuilder& b, const std::string& linear, const std::string& norm, int64_t in, int64_t out);
Layer layer_norm(NetBuilder& b, const std::string& name, int64_t width, double eps = 1e-5);
// groups = channels: instance norm with a learnt scale and shift.
Layer group_norm(NetBuilder& b, const std::string& name, int64_t groups, int64_t channels, double eps = 1e-5);
Layer dropout(double p);
Layer relu();  // overwrites its input
Layer gelu();
Layer tanh();  // overwrites its input
Layer softplus(double beta = 1);
Layer max_pool(int64_t size);      // windows of size x size side by side; what sticks out at the edge counts (ceil)
Layer average_pool(int64_t size);  // the same, but what sticks out is left away (floor)
Layer global_average_pool();       // [b,c,h,w] -> [b,c]
Layer flatten();                   // [b, …] -> [b, n]
Layer chain(std::vector<Layer> layers);

}  // namespace retort

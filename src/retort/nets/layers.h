// The layers that architectures are written with. Each declares its parameters under `name` (torchvision's names: weight, bias, running_mean…)
// and returns a pure function.
#pragma once

#include "retort/nets/net.h"

namespace retort {

Layer linear(NetBuilder& b, const std::string& name, int64_t in, int64_t out, bool bias = true);
Layer linear_init(NetBuilder& b, const std::string& name, int64_t in, int64_t out, Init weight_init, bool bias = true);
Layer conv2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0, int64_t groups = 1, bool bias = true);
Layer conv_transpose2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding);
Layer batch_norm(NetBuilder& b, const std::string& name, int64_t channels, double eps = 1e-5, double momentum = 0.1);  // [b,c] or [b,c,h,w]
// Convolution without bias + batch-norm under two names; folded into one convolution in frozen nets.
Layer conv_bn(NetBuilder& b, const std::string& conv, const std::string& norm, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0, int64_t groups = 1);
Layer layer_norm(NetBuilder& b, const std::string& name, int64_t width, double eps = 1e-5);
Layer group_norm(NetBuilder& b, const std::string& name, int64_t groups, int64_t channels, double eps = 1e-5);
Layer dropout(double p);
Layer relu();
Layer gelu();
Layer chain(std::vector<Layer> layers);

}  // namespace retort

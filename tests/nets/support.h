// What tests of nets share: every architecture on every shape that it must adapt to, and nets that have seen data.
#pragma once

#include "retort/nets/net.h"
#include "tests/support.h"

namespace retort {

inline const std::vector<std::string> kEveryNet = {"linear",
                                                   "mlp-12-7",
                                                   "mlp-12-bn-drop0.1",
                                                   "mlp-8-8-tanh",
                                                   "convnet-2x6",
                                                   "convnet-3x5-bn-softplus60",
                                                   "convnet-1x4-nonorm",
                                                   "cnn-4-6",
                                                   "resnet8",
                                                   "resnet8x0.5",
                                                   "resnet8x2",
                                                   "wrn-10-1",
                                                   "vgg8x0.125",
                                                   "vgg13x0.125",
                                                   "vit-2x32p2",
                                                   "vit-tiny",
                                                   "mobilenetv2-smallx0.5"};

inline Tensor some_inputs(const std::vector<int64_t>& shape, int64_t batch, uint64_t seed = 1) {
  std::vector<int64_t> full = shape;
  full.insert(full.begin(), batch);
  return at::empty(full).normal_(0, 1, Seed(seed).generator());
}

// Norms as after some training: scales, shifts and running statistics away from their start.
inline void perturb(Net& net, uint64_t seed = 3) {
  const at::NoGradGuard no_grad;
  TensorMap tensors = net.named_tensors();
  for (auto& [name, tensor] : tensors) {
    const bool spread = name.find("running_var") != std::string::npos || (tensor.dim() == 1 && name.find("weight") != std::string::npos);
    const Tensor noise = at::empty(tensor.sizes()).uniform_(-1, 1, Seed(seed).stream(name).generator());
    if (spread)
      tensor.copy_(1 + 0.5 * noise);
    else if (tensor.dim() == 1)
      tensor.add_(0.3 * noise);
  }
}

}  // namespace retort

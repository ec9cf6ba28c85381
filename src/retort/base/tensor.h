// The part of libtorch that the project uses, and the one place that knows the differences between its releases (1.13 … 2.x).
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/types.h>
#include <torch/version.h>

namespace retort {

using torch::Tensor;
using TensorMap = std::map<std::string, Tensor>;

}  // namespace retort

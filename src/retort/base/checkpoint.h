// The state of something that can be stopped and resumed: named tensors and named JSON values, kept as one safetensors file.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "retort/base/tensor.h"

namespace retort {

struct State {
  TensorMap tensors;
  nlohmann::json values = nlohmann::json::object();

  // Puts every entry of `part` under "prefix/"; take() gets them back (empty State when there are none).
  void put(const std::string& prefix, const State& part);
  State take(const std::string& prefix) const;
  const Tensor& tensor(const std::string& name) const;  // throws DataError naming what is missing
};

void save_state(const std::string& path, const State& state);  // atomic; throws StorageError
State load_state(const std::string& path);                     // throws DataError

}  // namespace retort

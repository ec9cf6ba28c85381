#include "retort/base/checkpoint.h"

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/safetensors.h"

namespace retort {

void State::put(const std::string& prefix, const State& part) {
  for (auto& [name, tensor] : part.tensors) tensors[prefix + "/" + name] = tensor;
  for (auto& [name, value] : part.values.items()) values[prefix + "/" + name] = value;
}

State State::take(const std::string& prefix) const {
  const std::string start = prefix + "/";
  State part;
  for (auto at = tensors.lower_bound(start); at != tensors.end() && at->first.compare(0, start.size(), start) == 0; ++at)
    part.tensors[at->first.substr(start.size())] = at->second;
  for (auto& [name, value] : values.items())
    if (name.compare(0, start.size(), start) == 0) part.values[name.substr(start.size())] = value;
  return part;
}

const Tensor& State::tensor(const std::string& name) const {
  auto at = tensors.find(name);
  if (at == tensors.end())
    throw DataError(fmt::format("checkpoint holds no tensor '{}'", name), "it was written by another version or another recipe");
  return at->second;
}

void save_state(const std::string& path, const State& state) { write_safetensors(path, state.tensors, {{"values", state.values.dump()}}); }

State load_state(const std::string& path) {
  SafetensorsFile file = read_safetensors(path);
  State state;
  state.tensors = std::move(file.tensors);
  state.values = nlohmann::json::parse(file.metadata["values"], nullptr, /*allow_exceptions=*/false);
  if (!state.values.is_object())
    throw DataError(path + ": not a checkpoint: expected JSON values in its metadata", "give a file that a run wrote");
  return state;
}

}  // namespace retort

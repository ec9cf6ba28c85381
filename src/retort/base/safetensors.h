// The safetensors format: weights, checkpoints and captured signals are all kept in it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "retort/base/tensor.h"

namespace retort {

struct SafetensorsFile {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

// Reads F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL. Hostile files are refused with DataError (path, what was expected): header longer than the
// file or than 100 MB, bad JSON, overlapping or out-of-range offsets, sizes that disagree with shape and dtype, overflow, holes.
SafetensorsFile read_safetensors(const std::string& path);
SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name);
// Atomic. Tensors are written contiguous, from CPU; the widest types first, then by name, so that every element is aligned. Throws
// StorageError, or DataError for a type that the format does not know.
void write_safetensors(const std::string& path, const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});
std::string serialise_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});

}  // namespace retort

// Any bytes: a DataError, or tensors that are written and read back to the same bits.
#include <cstdlib>
#include <cstring>

#include "retort/base/error.h"
#include "retort/base/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retort;
  SafetensorsFile file;
  try {
    file = parse_safetensors({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const DataError&) {
    return 0;
  }
  const SafetensorsFile again = parse_safetensors(serialise_safetensors(file.tensors, file.metadata), "again");
  if (again.metadata != file.metadata || again.tensors.size() != file.tensors.size()) std::abort();
  for (auto& [name, tensor] : file.tensors) {
    const Tensor& other = again.tensors.at(name);
    if (other.sizes() != tensor.sizes() || other.scalar_type() != tensor.scalar_type()) std::abort();
    if (tensor.nbytes() && std::memcmp(other.data_ptr(), tensor.data_ptr(), tensor.nbytes()) != 0) std::abort();
  }
  return 0;
}

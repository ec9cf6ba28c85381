// Whatever the bytes, the IDX and CIFAR readers either return tensors or throw DataError.
#include "retort/base/error.h"
#include "retort/data/cifar.h"
#include "retort/data/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const retort::Tensor values = retort::parse_idx(bytes, "fuzz");
    if (static_cast<size_t>(values.numel()) > size) __builtin_trap();
  } catch (const retort::DataError&) {
  }
  try {
    retort::parse_cifar(bytes, "fuzz", 1 + static_cast<int>(size % 2), 10);
  } catch (const retort::DataError&) {
  }
  return 0;
}

// Whatever the bytes, a request is either read into finite numbers, as many as its rows have, or refused with RequestError.
#include <cmath>

#include "retort/serve/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte chooses the shape that is asked for.
  static const std::vector<std::vector<int64_t>> kShapes = {{1}, {4}, {2, 3}, {3, 2, 2}, {2, 1, 2, 2}};
  const std::vector<int64_t>& shape = kShapes[data[0] % kShapes.size()];
  int64_t each = 1;
  for (const int64_t extent : shape) each *= extent;
  try {
    retort::InputRequest request = retort::parse_inputs({reinterpret_cast<const char*>(data) + 1, size - 1}, shape, 16);
    if (request.rows < 1 || request.rows > 16 || static_cast<int64_t>(request.numbers.size()) != request.rows * each) __builtin_trap();
    for (const float number : request.numbers)
      if (!std::isfinite(number)) __builtin_trap();
    if (!request.raw) return 0;
    retort::InputSpec spec;
    spec.shape = shape;
    retort::prepare_raw(request.numbers, spec);
  } catch (const retort::RequestError&) {
  }
  return 0;
}

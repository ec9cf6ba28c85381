// Bodies of requests: JSON read straight into numbers, since a batch of images is half a million of them.
//
//   {"inputs": [[…], …]}                 each input flat, or nested as the model's shape; also called "input"
//   {"inputs_base64": "…", "shape": [n, …], "dtype": "float32" | "uint8"}   the same numbers as little-endian bytes
//   "raw": true                          values as measured (pixels 0-255), prepared here as the model's training inputs were; uint8 always is
//   "model", "user", "encoding_format"   texts that OpenAI's clients send along
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "retort/data/dataset.h"

namespace retort {

// What is wrong with a request, said to whoever sent it.
struct RequestError : std::runtime_error {
  explicit RequestError(const std::string& message, std::string parameter = {})
      : std::runtime_error(message), param(std::move(parameter)) {}
  std::string param;  // the key of the body that is to blame, where known
};

struct InputRequest {
  std::vector<float> numbers;  // [rows, …shape], finite
  int64_t rows = 0;
  bool raw = false;
  std::string model;  // empty where the request names none
};

// Throws RequestError: malformed JSON (with the byte), another shape (with the input), NaN and numbers beyond float32, no inputs or more than
// `most_rows`, unknown keys. `shape`: of one input.
InputRequest parse_inputs(std::string_view body, const std::vector<int64_t>& shape, int64_t most_rows);

// Raw numbers as the net reads them, in place, as prepare() does it: images scaled from 0-255 to [0,1], then standardised. numbers: [rows, …shape].
// Throws RequestError: pixels out of range, a table (whose raw rows are texts).
void prepare_raw(std::vector<float>& numbers, const InputSpec& spec);

// Bytes from base64 (RFC 4648, padded); false for anything else.
bool decode_base64(std::string_view text, std::string& bytes);

}  // namespace retort

// A model in one small file, *.packed: weights at their bit width, everything needed to run it in the header (docs/formats.md).
//
//   0    8  "RETORTPK"
//   8    4  version, 1
//   12   4  length of the header text
//   16   …  header text, UTF-8 JSON: what config.json says (model_file.h), and "tensors", a list of those that are quantised:
//           {"name", "levels" 2 … 65536, "bucket" (0: one), "points" (true: learnt, false: evenly spaced), "coding" "bits" | "huffman"}
//   …       the net's parameters, then its running statistics, in the net's order, without gaps:
//             not quantised: float32 values
//             quantised: float32 lows of the buckets, their highs, the points (where learnt), then the indices:
//               bits: each in ceil(log2(levels)) bits, from the lowest bit up
//               huffman: the code length of every level (a byte each), number of code bytes (4 bytes), canonical codes from the highest bit down
//   …    4  CRC-32 of everything before
// Numbers are little-endian.
#pragma once

#include "retort/nets/model_file.h"
#include "retort/nets/quantiser.h"

namespace retort {

enum class Coding { bits, huffman, smaller };  // smaller: whichever takes fewer bytes, tensor by tensor
Coding coding_from(const std::string& name);   // throws ConfigError

// What one quantised tensor takes.
struct PackedSize {
  std::string name, coding;
  int64_t entries = 0, levels = 0, bytes = 0;  // bytes: indices, scales and points
  double mean_bits = 0;                        // of a Huffman code of its indices, whether or not it is used
};
struct PackedModel {
  std::string bytes;
  std::vector<PackedSize> tensors;
  // The paper's count: bits * n + 64 a bucket + 32 a learnt point for quantised tensors, 32 an entry for the others.
  int64_t formula_bits = 0;
};

// `quantised`: by parameter name; the net's own values of these are not looked at. Throws ConfigError for a name that the net does not have.
PackedModel pack_model(const Net& net, const InputSpec& input, const std::map<std::string, Quantised>& quantised, Coding coding);

// The model as floats, to the bit what Quantised::values() says. Throws DataError for anything damaged, with the place.
Model parse_packed(std::string_view bytes, const std::string& name);

}  // namespace retort

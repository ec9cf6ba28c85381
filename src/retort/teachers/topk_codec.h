// The k largest of many log-probabilities in few bytes: classes exactly, values to the precision that divergences feel, tail kept. Rows have one
// size, so that they are found without a table. The bits are described in docs/formats.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retort {

struct TopkRow {
  std::vector<int32_t> classes;  // by falling value
  std::vector<float> values;     // log-probabilities
  float tail = 0;                // log of the probability of all other classes together
};

// Bytes of a row: room for the classes at worst and about two and a half bits a value; 100 for k = 50 of 151,936.
int64_t packed_topk_bytes(int64_t k, int64_t classes);
// Exactly `bytes` many. Values need not be sorted; the largest stays the largest. Throws std::invalid_argument: classes that repeat or are none,
// values that are not log-probabilities, too few bytes for the classes.
std::string pack_topk(const TopkRow& row, int64_t classes, int64_t bytes);
// Throws DataError for bytes that pack_topk does not write.
TopkRow unpack_topk(std::string_view bytes, int64_t k, int64_t classes);

}  // namespace retort

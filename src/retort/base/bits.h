// Small numbers packed at their bit width, and canonical Huffman codes for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retort {

// Bits that `values` different symbols need: 1 for two, 2 for three or four …
int64_t bits_for(int64_t values);

// Each value takes `bits` (1 to 32) bits, the lowest first, bytes filled from their lowest bit; what is left of the last byte is 0.
std::string pack_bits(const std::vector<uint32_t>& values, int64_t bits);
size_t packed_size(size_t count, int64_t bits);
// Throws DataError when the bytes are not packed_size() many or bits behind the last value are set.
std::vector<uint32_t> unpack_bits(std::string_view bytes, size_t count, int64_t bits);

// Lengths in bits of an optimal prefix code, by symbol; 0 for a symbol that does not occur. A single symbol has length 1.
std::vector<uint8_t> huffman_lengths(const std::vector<int64_t>& counts);
double mean_length(const std::vector<int64_t>& counts, const std::vector<uint8_t>& lengths);  // bits a symbol
// Codes are canonical: shorter ones first, then by symbol, counting up. Bytes are filled from their highest bit; the rest of the last is 0.
std::string huffman_encode(const std::vector<uint32_t>& values, const std::vector<uint8_t>& lengths);
// Throws DataError: lengths that are no prefix code, bytes that end early, or that go on behind the last value.
std::vector<uint32_t> huffman_decode(std::string_view bytes, size_t count, const std::vector<uint8_t>& lengths);

}  // namespace retort

#include "retort/base/bits.h"

#include <numeric>

#include "retort/base/random.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(Bits, WidthsByHand) {
  EXPECT_EQ(bits_for(2), 1);
  EXPECT_EQ(bits_for(3), 2);
  EXPECT_EQ(bits_for(4), 2);
  EXPECT_EQ(bits_for(5), 3);
  EXPECT_EQ(bits_for(65536), 16);
}

TEST(Bits, PackedFromTheLowestBitUp) {
  EXPECT_EQ(pack_bits({1, 0, 1, 1, 0, 0, 0, 1, 1}, 1), std::string("\x8D\x01", 2));
  EXPECT_EQ(pack_bits({3, 0, 1, 2}, 2), std::string("\x93", 1));
  EXPECT_EQ(pack_bits({0x123, 0x456}, 12), std::string("\x23\x61\x45", 3));
}

TEST(Bits, ComeBackAtEveryWidth) {
  for (int64_t bits = 1; bits <= 32; ++bits) {
    Dice dice(Seed(static_cast<uint64_t>(bits)));
    std::vector<uint32_t> values(101);
    for (auto& value : values) value = static_cast<uint32_t>(dice.below(int64_t{1} << bits));
    const std::string bytes = pack_bits(values, bits);
    EXPECT_EQ(bytes.size(), packed_size(values.size(), bits));
    EXPECT_EQ(unpack_bits(bytes, values.size(), bits), values) << bits;
  }
}

TEST(Bits, RefusesOtherSizesAndStrayBits) {
  EXPECT_EQ(caught<DataError>([] { unpack_bits("ab", 9, 2); }).line, "packed numbers: 9 numbers of 2 bits take 3 bytes, found 2");
  EXPECT_EQ(caught<DataError>([] { unpack_bits("\x80", 3, 2); }).line, "packed numbers: bits are set behind the last number");
}

TEST(Huffman, LengthsByHand) {
  // 1/2, 1/4, 1/8, 1/8: the code is as long as the entropy, 1.75 bits.
  const std::vector<int64_t> counts = {4, 2, 0, 1, 1};
  const auto lengths = huffman_lengths(counts);
  EXPECT_EQ(lengths, (std::vector<uint8_t>{1, 2, 0, 3, 3}));
  EXPECT_DOUBLE_EQ(mean_length(counts, lengths), 1.75);
  EXPECT_EQ(huffman_lengths({0, 7}), (std::vector<uint8_t>{0, 1}));
  // Codes 0, 10, 110, 111, from the highest bit down.
  EXPECT_EQ(huffman_encode({4, 0, 1, 3}, lengths), std::string("\xEB\x00", 2));
}

TEST(Huffman, ComesBackAndIsNeverLongerThanFixedWidth) {
  for (const int64_t levels : {2, 3, 16, 200}) {
    Dice dice(Seed(static_cast<uint64_t>(levels)));
    std::vector<uint32_t> values(997);
    for (auto& value : values) value = static_cast<uint32_t>(dice.below(1 + dice.below(levels)));
    std::vector<int64_t> counts(static_cast<size_t>(levels), 0);
    for (const uint32_t value : values) ++counts[value];
    const auto lengths = huffman_lengths(counts);
    EXPECT_EQ(huffman_decode(huffman_encode(values, lengths), values.size(), lengths), values);
    EXPECT_LE(mean_length(counts, lengths), static_cast<double>(bits_for(levels)) + 1e-12);
    double entropy = 0;
    for (const int64_t count : counts)
      if (count > 0) entropy -= static_cast<double>(count) / 997 * std::log2(static_cast<double>(count) / 997);
    EXPECT_GE(mean_length(counts, lengths), entropy);
    EXPECT_LT(mean_length(counts, lengths), entropy + 1);
  }
}

TEST(Huffman, OneSymbolAlone) {
  const std::vector<uint32_t> values(11, 2);
  const auto lengths = huffman_lengths({0, 0, 11, 0});
  EXPECT_EQ(huffman_decode(huffman_encode(values, lengths), 11, lengths), values);
}

TEST(Huffman, RefusesWhatIsNoCode) {
  const auto decode = [](std::string_view bytes, size_t count, std::vector<uint8_t> lengths) {
    return caught<DataError>([&] { huffman_decode(bytes, count, lengths); }).line;
  };
  EXPECT_EQ(decode("a", 1, {1, 1, 1}), "packed numbers: the code lengths are no prefix code");
  EXPECT_EQ(decode("a", 1, {1, 2}), "packed numbers: the code lengths leave codes without meaning");
  EXPECT_EQ(decode("a", 1, {0, 0}), "packed numbers: the code lengths leave codes without meaning");
  EXPECT_EQ(decode("a", 1, {1, 61}), "packed numbers: a code of 61 bits, at most 60 are allowed");
  EXPECT_EQ(decode(std::string_view("\x00", 1), 9, {1, 1}), "packed numbers: they end too early");
  EXPECT_EQ(decode(std::string_view("\x00\x00", 2), 3, {1, 1}), "packed numbers: they go on behind the last number");
  EXPECT_EQ(decode("\x01", 3, {1, 1}), "packed numbers: bits are set behind the last number");
}

}  // namespace
}  // namespace retort

#include "retort/base/bits.h"

#include <algorithm>
#include <array>
#include <queue>

#include "retort/base/error.h"

namespace retort {
namespace {

constexpr size_t kLongestCode = 60;

[[noreturn]] void damaged(const std::string& what) {
  throw DataError("packed numbers: " + what, "the file is damaged; write or fetch it again");
}

// Symbols that occur, in the order of their codes.
std::vector<uint32_t> by_code(const std::vector<uint8_t>& lengths) {
  std::vector<uint32_t> order;
  for (uint32_t symbol = 0; symbol < lengths.size(); ++symbol)
    if (lengths[symbol] > 0) order.push_back(symbol);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return lengths[a] < lengths[b]; });
  return order;
}

}  // namespace

int64_t bits_for(int64_t values) {
  int64_t bits = 1;
  while ((int64_t{1} << bits) < values) ++bits;
  return bits;
}

size_t packed_size(size_t count, int64_t bits) { return (count * static_cast<size_t>(bits) + 7) / 8; }

std::string pack_bits(const std::vector<uint32_t>& values, int64_t bits) {
  std::string bytes;
  bytes.reserve(packed_size(values.size(), bits));
  uint64_t pending = 0;
  int64_t held = 0;
  for (const uint32_t value : values) {
    pending |= static_cast<uint64_t>(value) << held;
    for (held += bits; held >= 8; held -= 8, pending >>= 8) bytes.push_back(static_cast<char>(pending & 0xFF));
  }
  if (held > 0) bytes.push_back(static_cast<char>(pending & 0xFF));
  return bytes;
}

std::vector<uint32_t> unpack_bits(std::string_view bytes, size_t count, int64_t bits) {
  if (bytes.size() != packed_size(count, bits))
    damaged(fmt::format("{} numbers of {} bits take {} bytes, found {}", count, bits, packed_size(count, bits), bytes.size()));
  std::vector<uint32_t> values(count);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t pending = 0;
  int64_t held = 0;
  size_t at = 0;
  for (uint32_t& value : values) {
    for (; held < bits; held += 8) pending |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at++])) << held;
    value = static_cast<uint32_t>(pending & mask);
    pending >>= bits;
    held -= bits;
  }
  if (pending != 0) damaged("bits are set behind the last number");
  return values;
}

std::vector<uint8_t> huffman_lengths(const std::vector<int64_t>& counts) {
  struct Node {
    int64_t count, left = -1, right = -1;
  };
  std::vector<Node> nodes;
  std::vector<uint32_t> symbols;
  using Entry = std::pair<int64_t, int64_t>;  // count, node
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap;
  for (uint32_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] <= 0) continue;
    heap.emplace(counts[symbol], static_cast<int64_t>(nodes.size()));
    nodes.push_back({counts[symbol]});
    symbols.push_back(symbol);
  }
  std::vector<uint8_t> lengths(counts.size(), 0);
  if (symbols.size() == 1) lengths[symbols[0]] = 1;
  if (symbols.size() < 2) return lengths;
  const auto pop = [&] {
    const int64_t node = heap.top().second;
    heap.pop();
    return node;
  };
  while (heap.size() > 1) {
    const int64_t left = pop(), right = pop();
    const int64_t count = nodes[static_cast<size_t>(left)].count + nodes[static_cast<size_t>(right)].count;
    heap.emplace(count, static_cast<int64_t>(nodes.size()));
    nodes.push_back({count, left, right});
  }
  std::vector<uint8_t> depth(nodes.size(), 0);
  for (size_t node = nodes.size(); node-- > symbols.size();) {
    depth[static_cast<size_t>(nodes[node].left)] = depth[static_cast<size_t>(nodes[node].right)] = static_cast<uint8_t>(depth[node] + 1);
  }
  for (size_t leaf = 0; leaf < symbols.size(); ++leaf) lengths[symbols[leaf]] = depth[leaf];
  return lengths;
}

double mean_length(const std::vector<int64_t>& counts, const std::vector<uint8_t>& lengths) {
  double bits = 0, all = 0;
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    bits += static_cast<double>(counts[symbol]) * lengths[symbol];
    all += static_cast<double>(counts[symbol]);
  }
  return all > 0 ? bits / all : 0;
}

std::string huffman_encode(const std::vector<uint32_t>& values, const std::vector<uint8_t>& lengths) {
  std::vector<uint64_t> codes(lengths.size(), 0);
  uint64_t next = 0;
  uint8_t length = 0;
  for (const uint32_t symbol : by_code(lengths)) {
    next <<= lengths[symbol] - length;
    length = lengths[symbol];
    codes[symbol] = next++;
  }
  std::string bytes;
  uint8_t pending = 0;
  int held = 0;
  for (const uint32_t value : values) {
    for (int bit = lengths.at(value) - 1; bit >= 0; --bit) {
      pending = static_cast<uint8_t>(pending << 1 | (codes[value] >> bit & 1));
      if (++held == 8) {
        bytes.push_back(static_cast<char>(pending));
        held = 0;
      }
    }
  }
  if (held > 0) bytes.push_back(static_cast<char>(pending << (8 - held)));
  return bytes;
}

std::vector<uint32_t> huffman_decode(std::string_view bytes, size_t count, const std::vector<uint8_t>& lengths) {
  const std::vector<uint32_t> order = by_code(lengths);
  std::array<uint64_t, kLongestCode + 1> of_length{};
  for (const uint32_t symbol : order) {
    if (lengths[symbol] > kLongestCode) damaged(fmt::format("a code of {} bits, at most {} are allowed", lengths[symbol], kLongestCode));
    ++of_length[lengths[symbol]];
  }
  uint64_t open = 1;  // codes of the length so far that are not yet spoken for
  for (size_t length = 1; length <= kLongestCode; ++length) {
    open = std::min<uint64_t>(2 * open, uint64_t{1} << 61);
    if (of_length[length] > open) damaged("the code lengths are no prefix code");
    open -= of_length[length];
  }
  if (open != 0 && !(order.size() == 1 && lengths[order[0]] == 1) && !(order.empty() && count == 0))
    damaged("the code lengths leave codes without meaning");

  std::vector<uint32_t> values(count);
  size_t bit = 0;
  for (uint32_t& value : values) {
    uint64_t code = 0, first = 0, before = 0;  // first: the first code of the present length; before: symbols with shorter ones
    for (size_t length = 1;; ++length) {
      if (length > kLongestCode) damaged("a code without meaning");
      if (bit >= 8 * bytes.size()) damaged("they end too early");
      code = code << 1 | (static_cast<uint8_t>(bytes[bit / 8]) >> (7 - bit % 8) & 1);
      ++bit;
      first <<= 1;
      if (code - first < of_length[length]) {
        value = order[before + (code - first)];
        break;
      }
      before += of_length[length];
      first += of_length[length];
    }
  }
  if ((bit + 7) / 8 != bytes.size()) damaged("they go on behind the last number");
  if (bit % 8 != 0 && static_cast<uint8_t>(static_cast<uint8_t>(bytes[bit / 8]) << (bit % 8)) != 0)
    damaged("bits are set behind the last number");
  return values;
}

}  // namespace retort

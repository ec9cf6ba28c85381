// Completions as bytes: lengths in 7-bit groups, the lowest first, with the high bit set where more follow; log-probabilities as 4-byte floats.
#include <cstring>

#include "retort/base/error.h"
#include "retort/teachers/signal_format.h"

namespace retort::signal_format {
namespace {

void put_length(std::string& bytes, uint64_t length) {
  for (; length >= 128; length >>= 7) bytes += static_cast<char>(length | 128);
  bytes += static_cast<char>(length);
}

void put_text(std::string& bytes, const std::string& text) {
  put_length(bytes, text.size());
  bytes += text;
}

void put_real(std::string& bytes, double value) {
  const auto real = static_cast<float>(value);
  bytes.append(reinterpret_cast<const char*>(&real), sizeof real);
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  // A number of things of which each takes at least `least` bytes: so none is reserved for that cannot be there.
  size_t length(size_t least) {
    uint64_t length = 0;
    for (int shift = 0;; shift += 7) {
      if (shift > 56) throw ends();
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      length |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) break;
    }
    if (length > bytes_.size() / least) throw ends();
    return length;
  }
  std::string text() { return std::string(take(length(1))); }
  double real() {
    float value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  void finish() const {
    if (!bytes_.empty()) throw DataError("a row of text goes on behind its end");
  }

 private:
  static DataError ends() { return DataError("a row of text ends early"); }
  std::string_view take(size_t count) {
    if (count > bytes_.size()) throw ends();
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::string_view bytes_;
};

}  // namespace

std::string pack_text(const TextRow& row) {
  std::string bytes;
  put_length(bytes, row.size());
  for (const Completion& sample : row) {
    put_text(bytes, sample.text);
    put_text(bytes, sample.reasoning);
    put_text(bytes, sample.finish_reason);
    put_length(bytes, sample.tokens.size());
    for (const TokenLogprob& token : sample.tokens) {
      put_text(bytes, token.token);
      put_real(bytes, token.logprob);
      put_length(bytes, token.top.size());
      for (const auto& [piece, value] : token.top) {
        put_text(bytes, piece);
        put_real(bytes, value);
      }
    }
  }
  return bytes;
}

TextRow unpack_text(std::string_view bytes) {
  Cursor from(bytes);
  TextRow row(from.length(4));
  for (Completion& sample : row) {
    sample.text = from.text();
    sample.reasoning = from.text();
    sample.finish_reason = from.text();
    sample.tokens.resize(from.length(6));
    for (TokenLogprob& token : sample.tokens) {
      token.token = from.text();
      token.logprob = from.real();
      token.top.resize(from.length(5));
      for (auto& [piece, value] : token.top) {
        piece = from.text();
        value = from.real();
      }
    }
  }
  from.finish();
  return row;
}

std::optional<std::string_view> varying_row(std::string_view column, int64_t rows, int64_t row) {
  const size_t data = 8 * (static_cast<size_t>(rows) + 1), length = column.size() - data;
  uint64_t ends[2];
  std::memcpy(ends, column.data() + 8 * static_cast<size_t>(row), sizeof ends);
  if (ends[0] > ends[1] || ends[1] > length) return {};
  return column.substr(data + ends[0], ends[1] - ends[0]);
}

}  // namespace retort::signal_format

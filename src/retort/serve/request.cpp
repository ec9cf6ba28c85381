#include "retort/serve/request.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace retort {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string brackets(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

int64_t product(const std::vector<int64_t>& shape, size_t first = 0) {
  int64_t all = 1;
  for (size_t i = first; i < shape.size(); ++i) all *= shape[i];
  return all;
}

class Reader {
 public:
  Reader(std::string_view body, const std::vector<int64_t>& shape, int64_t most_rows)
      : start_(body.data()),
        at_(body.data()),
        end_(body.data() + body.size()),
        shape_(shape),
        size_(product(shape)),
        most_rows_(most_rows) {}

  InputRequest read() {
    if (next() != '{') throw malformed("an object is expected: {\"inputs\": [[…], …]}");
    ++at_;
    if (next() == '}')
      ++at_;
    else
      do {
        if (next() != '"') throw malformed("a key in double quotes is expected");
        const std::string key = text();
        if (next() != ':') throw malformed("a colon is expected behind the key");
        ++at_;
        if (!seen_.insert(key == "input" ? "inputs" : key).second) throw RequestError(fmt::format("\"{}\" is given twice", key), key);
        value_of(key);
      } while (more('}'));
    if (next() != 0 || at_ != end_) throw malformed("nothing is expected behind the object");
    return whole();
  }

 private:
  const char *start_, *at_, *end_;
  const std::vector<int64_t>& shape_;
  int64_t size_, most_rows_;
  InputRequest found_;
  std::set<std::string> seen_;
  std::string base64_, dtype_ = "float32";
  std::vector<int64_t> given_shape_;

  RequestError malformed(const std::string& what) const {
    return RequestError(fmt::format("malformed JSON at byte {}: {}", at_ - start_, at_ == end_ ? "it ends too early; " + what : what));
  }

  // The next character that is no space; 0 at the end.
  char next() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    return at_ < end_ ? *at_ : 0;
  }
  // Behind an entry: true for a comma, false for the closing bracket.
  bool more(char closing) {
    const char c = next();
    if (c != ',' && c != closing) throw malformed(fmt::format("',' or '{}' is expected", closing));
    ++at_;
    return c == ',';
  }

  void value_of(const std::string& key) {
    if (key == "inputs" || key == "input") return inputs(key);
    if (key == "raw") return void(found_.raw = truth(key));
    if (key == "model") return void(found_.model = text_of(key));
    if (key == "user") return void(text_of(key));
    if (key == "inputs_base64") return plain_text(key, base64_);
    if (key == "dtype") {
      dtype_ = text_of(key);
      if (dtype_ != "float32" && dtype_ != "uint8") throw RequestError("\"dtype\" is \"float32\" or \"uint8\"", key);
      return;
    }
    if (key == "shape") return extents(key);
    if (key == "encoding_format") {
      if (text_of(key) != "float") throw RequestError("\"encoding_format\": only \"float\" is known", key);
      return;
    }
    if (key == "logit_bias")
      throw RequestError("\"logit_bias\" is not taken: it would reveal what the exposure of this key withholds", key);
    throw RequestError(fmt::format("unknown key \"{}\"; known are inputs, inputs_base64, shape, dtype, raw, model", key.substr(0, 60)),
                       key.substr(0, 60));
  }

  std::string text_of(const std::string& key) {
    if (next() != '"') throw RequestError(fmt::format("\"{}\" must be a text", key), key);
    return text();
  }

  // A short text that stands at the reader. Escapes beyond ASCII are not needed by any key or value that is known.
  std::string text() {
    std::string out;
    for (++at_; at_ < end_ && *at_ != '"'; ++at_) {
      if (static_cast<unsigned char>(*at_) < 0x20) throw malformed("a control character in a text");
      if (out.size() > 1000) throw malformed("a text of more than 1,000 bytes");
      if (*at_ != '\\') {
        out += *at_;
        continue;
      }
      if (++at_ == end_) break;
      static constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
      if (const size_t place = kNames.find(*at_); place != std::string_view::npos)
        out += kMeant[place];
      else
        out += escaped();
    }
    if (at_ == end_) throw malformed("a closing quote is expected");
    ++at_;
    return out;
  }
  // \uXXXX; what is not ASCII becomes a question mark.
  char escaped() {
    unsigned code = 0;
    if (*at_ != 'u' || end_ - at_ < 5) throw malformed("an unknown escape in a text");
    const auto [stop, error] = std::from_chars(at_ + 1, at_ + 5, code, 16);
    if (error != std::errc() || stop != at_ + 5) throw malformed("\\u wants four hexadecimal digits");
    at_ += 4;
    return code < 0x80 ? static_cast<char>(code) : '?';
  }

  // A long text without escapes.
  void plain_text(const std::string& key, std::string& out) {
    if (next() != '"') throw RequestError(fmt::format("\"{}\" must be a text", key), key);
    ++at_;
    const void* const quote = std::memchr(at_, '"', static_cast<size_t>(end_ - at_));
    if (!quote) throw malformed("a closing quote is expected");
    out.assign(at_, static_cast<const char*>(quote));
    at_ = static_cast<const char*>(quote) + 1;
  }

  bool truth(const std::string& key) {
    next();
    for (const std::string_view word : {"true", "false"}) {
      if (std::string_view(at_, std::min<size_t>(word.size(), static_cast<size_t>(end_ - at_))) != word) continue;
      at_ += word.size();
      return word == "true";
    }
    throw RequestError(fmt::format("\"{}\" must be true or false", key), key);
  }

  void extents(const std::string& key) {
    if (next() != '[') throw RequestError("\"shape\" must be a list of whole numbers", key);
    ++at_;
    do {
      int64_t extent = 0;
      next();
      const auto [stop, error] = std::from_chars(at_, end_, extent);
      if (error != std::errc() || extent < 1 || extent > (int64_t{1} << 32) || given_shape_.size() == 8)
        throw RequestError("\"shape\" must be a list of up to 8 whole numbers above 0", key);
      at_ = stop;
      given_shape_.push_back(extent);
    } while (more(']'));
  }

  std::string place(const std::vector<int64_t>& path) const {
    std::string out = "inputs";
    for (const int64_t index : path) out += fmt::format("[{}]", index);
    return out;
  }

  void inputs(const std::string& key) {
    if (next() == '"') throw RequestError(fmt::format("this model reads numbers, not texts: inputs of shape {}", brackets(shape_)), key);
    if (next() != '[') throw RequestError("\"inputs\" must be a list with a list of numbers for each input", key);
    ++at_;
    if (next() == ']') {
      ++at_;
      return;
    }
    const auto room = static_cast<size_t>(end_ - at_) / 2;
    found_.numbers.reserve(std::min<size_t>(room, static_cast<size_t>(std::min<int64_t>(most_rows_, 64) * size_)));
    do {
      if (found_.rows == most_rows_)
        throw RequestError(fmt::format("more than {} inputs in one request; send them in parts", most_rows_), key);
      if (next() == '"') throw RequestError(fmt::format("this model reads numbers, not texts: inputs of shape {}", brackets(shape_)), key);
      if (next() != '[') {
        if (next() != 0 && (is_digit(*at_) || *at_ == '-'))
          throw RequestError("\"inputs\" holds a list of numbers for each input: [[…]] for one", key);
        throw malformed(fmt::format("{} must be a list of numbers", place({found_.rows})));
      }
      std::vector<int64_t> path = {found_.rows};
      ++at_;
      if (next() == '[')
        nested(path, 0);
      else
        numbers(path, size_);
      ++found_.rows;
    } while (more(']'));
  }

  // Behind the opening bracket of a list of dimension `level`.
  void nested(std::vector<int64_t>& path, size_t level) {
    if (level + 1 == shape_.size()) return numbers(path, shape_[level]);
    int64_t count = 0;
    do {
      if (next() != '[')
        throw RequestError(fmt::format("{}: expected {} lists, as the shape {} has them", place(path), shape_[level], brackets(shape_)),
                           "inputs");
      if (count == shape_[level])
        throw RequestError(fmt::format("{}: expected {} lists, found more", place(path), shape_[level]), "inputs");
      ++at_;
      path.push_back(count++);
      nested(path, level + 1);
      path.pop_back();
    } while (more(']'));
    if (count != shape_[level])
      throw RequestError(fmt::format("{}: expected {} lists, found {}", place(path), shape_[level], count), "inputs");
  }

  // Behind the opening bracket of a list of so many numbers.
  void numbers(const std::vector<int64_t>& path, int64_t expected) {
    int64_t count = 0;
    if (next() == ']')
      ++at_;
    else
      do {
        if (count == expected)
          throw RequestError(
              fmt::format("{}: expected {} numbers (inputs have the shape {}), found more", place(path), expected, brackets(shape_)),
              "inputs");
        if (next() == '[')
          throw RequestError(
              fmt::format("{}: numbers are expected here, found a list; inputs have the shape {}", place(path), brackets(shape_)),
              "inputs");
        found_.numbers.push_back(number(path, count));
        ++count;
      } while (more(']'));
    if (count != expected)
      throw RequestError(
          fmt::format("{}: expected {} numbers (inputs have the shape {}), found {}", place(path), expected, brackets(shape_), count),
          "inputs");
  }

  float number(const std::vector<int64_t>& path, int64_t index) {
    const char* digit = at_;
    if (digit < end_ && *digit == '-') ++digit;
    if (digit == end_ || !is_digit(*digit)) throw not_a_number(path, index);
    if (*digit == '0' && digit + 1 < end_ && is_digit(digit[1])) throw malformed("a number does not begin with 0");
    float value = 0;
    const auto [stop, error] = std::from_chars(at_, end_, value);
    if (error == std::errc::result_out_of_range)
      value = tiny(stop, path, index);
    else if (error != std::errc())
      throw not_a_number(path, index);
    while (digit < stop && is_digit(*digit)) ++digit;
    if (digit < stop && *digit == '.' && (digit + 1 == stop || !is_digit(digit[1])))
      throw malformed("digits are expected behind the point");
    at_ = stop;
    return value;
  }
  RequestError not_a_number(const std::vector<int64_t>& path, int64_t index) const {
    if (at_ == end_) return malformed("a number is expected");
    return RequestError(fmt::format("{}[{}] (byte {}) is not a number", place(path), index, at_ - start_), "inputs");
  }
  // A number that float32 does not hold: too small is 0, too large is refused.
  float tiny(const char* stop, const std::vector<int64_t>& path, int64_t index) const {
    const std::string_view written(at_, static_cast<size_t>(stop - at_));
    double value = 0;
    const auto [end, error] = std::from_chars(at_, stop, value);
    const bool small = error == std::errc() ? std::abs(value) < 1
                                            : written.find("e-") != std::string_view::npos || written.find("E-") != std::string_view::npos;
    if (!small) throw RequestError(fmt::format("{}[{}] is beyond float32", place(path), index), "inputs");
    return error == std::errc() ? static_cast<float>(value) : 0.0f;
  }

  InputRequest whole() {
    if (seen_.count("inputs_base64")) {
      if (seen_.count("inputs")) throw RequestError("\"inputs\" and \"inputs_base64\" exclude each other", "inputs_base64");
      from_bytes();
    } else if (!seen_.count("inputs")) {
      throw RequestError("\"inputs\" is missing: {\"inputs\": [[…], …]}", "inputs");
    }
    if (found_.rows == 0) throw RequestError("\"inputs\" is empty", "inputs");
    return std::move(found_);
  }

  void from_bytes() {
    if (given_shape_.empty()) throw RequestError("\"inputs_base64\" needs \"shape\", such as " + brackets(with_rows(1)), "shape");
    const int64_t rows = given_shape_[0];
    if (given_shape_ != with_rows(rows) && given_shape_ != std::vector<int64_t>{rows, size_})
      throw RequestError(fmt::format("\"shape\" is {}; expected {}", brackets(given_shape_), brackets(with_rows(rows))), "shape");
    if (rows > most_rows_) throw RequestError(fmt::format("more than {} inputs in one request; send them in parts", most_rows_), "shape");
    std::string bytes;
    if (!decode_base64(base64_, bytes)) throw RequestError("\"inputs_base64\" is not base64", "inputs_base64");
    const bool floats = dtype_ == "float32";
    const auto count = static_cast<size_t>(rows * size_);
    if (bytes.size() != count * (floats ? 4 : 1))
      throw RequestError(fmt::format("\"inputs_base64\" holds {} bytes; {} of {} take {}", bytes.size(), dtype_, brackets(given_shape_),
                                     count * (floats ? 4 : 1)),
                         "inputs_base64");
    found_.numbers.resize(count);
    if (floats)
      std::memcpy(found_.numbers.data(), bytes.data(), bytes.size());
    else
      for (size_t i = 0; i < count; ++i) found_.numbers[i] = static_cast<float>(static_cast<unsigned char>(bytes[i]));
    for (size_t i = 0; i < count; ++i)
      if (!std::isfinite(found_.numbers[i]))
        throw RequestError(
            fmt::format("inputs[{}][{}] is not a finite number", static_cast<int64_t>(i) / size_, static_cast<int64_t>(i) % size_),
            "inputs_base64");
    found_.rows = rows;
    found_.raw = found_.raw || !floats;
  }
  std::vector<int64_t> with_rows(int64_t rows) const {
    std::vector<int64_t> all = {rows};
    all.insert(all.end(), shape_.begin(), shape_.end());
    return all;
  }
};

constexpr std::array<int8_t, 256> base64_values() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kLetters.size(); ++i) values[static_cast<unsigned char>(kLetters[i])] = static_cast<int8_t>(i);
  return values;
}

}  // namespace

InputRequest parse_inputs(std::string_view body, const std::vector<int64_t>& shape, int64_t most_rows) {
  return Reader(body, shape, most_rows).read();
}

void prepare_raw(std::vector<float>& numbers, const InputSpec& spec) {
  if (!spec.table.is_null()) throw RequestError("\"raw\" is for images and points; rows of this table must come prepared", "raw");
  const int64_t size = product(spec.shape);
  if (spec.images()) {
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (!(numbers[i] >= 0 && numbers[i] <= 255))
        throw RequestError(fmt::format("inputs[{}][{}] is {}; raw pixels lie between 0 and 255", static_cast<int64_t>(i) / size,
                                       static_cast<int64_t>(i) % size, numbers[i]),
                           "raw");
      numbers[i] /= 255;
    }
  }
  if (spec.mean.empty()) return;
  // Runs of numbers that share a mean: the pixels of a channel, or a single coordinate.
  const size_t channel = spec.images() ? spec.shape.size() - 3 : 0;
  const auto run = static_cast<size_t>(product(spec.shape, channel + 1));
  for (size_t i = 0, c = 0; i < numbers.size(); c = (c + 1) % spec.mean.size()) {
    const auto mean = static_cast<float>(spec.mean[c]), deviation = static_cast<float>(spec.deviation[c]);
    for (const size_t stop = i + run; i < stop; ++i) numbers[i] = (numbers[i] - mean) / deviation;
  }
}

bool decode_base64(std::string_view text, std::string& bytes) {
  static constexpr auto kValues = base64_values();
  if (text.size() % 4 != 0) return false;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(text.size() / 4 * 3);
  char* out = bytes.data();
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    uint32_t word = 0;
    for (size_t k = 0; k < 4; ++k) {
      const bool padded = last && k >= 4 - padding;
      const int8_t value = padded ? int8_t{0} : kValues[static_cast<unsigned char>(text[i + k])];
      if (value < 0) return false;
      word = word << 6 | static_cast<uint32_t>(value);
    }
    *out++ = static_cast<char>(word >> 16);
    *out++ = static_cast<char>(word >> 8);
    *out++ = static_cast<char>(word);
  }
  bytes.resize(bytes.size() - padding);
  return true;
}

}  // namespace retort

#include "retort/report/pictures.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "retort/report/html.h"
#include "retort/report/run_view.h"

namespace retort::report {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int64_t kSmall = 96;  // pictures narrower than this are enlarged to about it

// The first bytes of a base64 text; shorter where a foreign character ends it.
std::string decoded_head(std::string_view base64, size_t count) {
  std::string out;
  uint32_t bits = 0, held = 0;
  for (const char c : base64) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos || out.size() == count) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((held += 6) >= 8) out += static_cast<char>(bits >> (held -= 8) & 0xff);
  }
  return out;
}

}  // namespace

std::pair<int64_t, int64_t> png_size(const std::string& base64) {
  const std::string head = decoded_head(base64, 24);
  const bool clean = base64.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == std::string::npos;
  if (!clean || head.size() < 24 || head.compare(0, 8, "\x89PNG\r\n\x1a\n") != 0) return {0, 0};
  const auto word = [&](size_t at) {
    int64_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(head[i]);
    return value;
  };
  return {word(16), word(20)};
}

std::string picture_strip(const nlohmann::json& items) {
  std::string strip;
  for (const nlohmann::json& item : list(items)) {
    const std::string png = text_at(item, "png"), caption = escape(text_at(item, "caption"));
    const auto [width, height] = png_size(png);
    if (width <= 0 || height <= 0) {
      strip += fmt::format("<li><figure><div class=\"no-picture\">no picture</div><figcaption>{}</figcaption></figure></li>", caption);
      continue;
    }
    const int64_t factor = std::max<int64_t>(1, kSmall / width);
    strip += fmt::format(
        "<li><figure><img src=\"data:image/png;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure></li>",
        png, factor * width, factor * height, caption, caption);
  }
  return strip.empty() ? strip : fmt::format("<ul class=\"strip\">{}</ul>", strip);
}

}  // namespace retort::report

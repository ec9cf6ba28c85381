#include "retort/report/html.h"

#include <cmath>

#include <fmt/format.h>

namespace retort::report {

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const nlohmann::json& value) {
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";  // no "</script>" and no "<!--" can appear
    } else {
      out += c;
    }
  }
  return out;
}

double rounded(double value, int significant) {
  if (!std::isfinite(value) || value == 0) return value;
  return std::stod(fmt::format("{:.{}e}", value, significant - 1));
}

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return kMissing;
  const double size = std::fabs(value);
  if (digits < 0) {
    if (size != 0 && (size < 1e-4 || size >= 1e9)) return fmt::format("{}{:.3g}", value < 0 ? "−" : "", size);
    digits = 0;
    for (double at = rounded(size, 4); digits < 8 && std::fabs(at - std::round(at)) > 1e-9 * std::fabs(at); ++digits) at *= 10;
  }
  std::string text = fmt::format("{:.{}f}", size, digits);
  const size_t point = std::min(text.find('.'), text.size());
  for (size_t at = point; at > 3; at -= 3) text.insert(at - 3, ",");
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  return value < 0 && !zero ? "−" + text : text;
}

std::string signed_number(double value, int digits) {
  const std::string text = number(value, digits);
  if (!std::isfinite(value)) return text;
  if (text.find_first_of("123456789") == std::string::npos) return "±" + text;
  return value > 0 ? "+" + text : text;
}

std::string ratio(double part, double whole) {
  const auto times = [](double factor) { return number(factor, factor < 9.95 && std::fabs(factor - std::round(factor)) > 0.05 ? 1 : 0); };
  if (!(part > 0) || !(whole > 0)) return kMissing;
  return part < whole && times(whole / part) != "1" ? "1/" + times(whole / part) : "× " + times(part / whole);
}

std::string bytes(double count) {
  if (!std::isfinite(count)) return kMissing;
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  while (std::fabs(count) >= 1000 && unit < 4) count /= 1000, ++unit;
  return fmt::format("{}{}{}", number(count, unit > 0 && std::fabs(count) < 100 ? 1 : 0), kSpace, units[unit]);
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return kMissing;
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace retort::report

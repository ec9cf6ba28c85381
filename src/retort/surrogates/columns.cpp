#include "retort/surrogates/columns.h"

#include <fmt/format.h>

namespace retort {

std::string short_number(double value) {
  if (std::abs(value) >= 1000 && std::abs(value) < 1e9) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value == 0 ? 0.0 : value);
}

std::string in_words(const Column& column, double low, double high) {
  if (column.flag) {
    const bool set = low >= 0 && low < 1;  // 1 fits, 0 does not
    const std::string yes = column.yes.empty() ? column.name : column.yes, no = column.no.empty() ? "not " + column.name : column.no;
    return set ? yes : no;
  }
  const auto raw = [&](double value) { return value_in_words(column, value); };
  if (std::isinf(low)) return fmt::format("{} at most {}", column.name, raw(high));
  if (std::isinf(high)) return fmt::format("{} above {}", column.name, raw(low));
  return fmt::format("{} above {} and at most {}", column.name, raw(low), raw(high));
}

std::string value_in_words(const Column& column, double value) {
  if (std::isnan(value)) return "missing";
  if (column.flag) return value > 0.5 ? "yes" : "no";
  const double raw = value * column.scale + column.shift;
  return short_number(std::abs(raw) < 1e-6 * column.scale ? 0 : raw);  // what is left of a zero that went through floats
}

}  // namespace retort

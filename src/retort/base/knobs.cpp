#include "retort/base/knobs.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace retort {

namespace {

// Whether `holds` is true of the number, or of every number of a list. Texts and truth values are no numbers: they never hold.
template <class Predicate>
bool every_number(const KnobValue& value, const Predicate& holds) {
  return std::visit(
      [&](const auto& given) {
        using T = std::decay_t<decltype(given)>;
        if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, double>) {
          return holds(double(given));
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>> || std::is_same_v<T, std::vector<double>>) {
          for (auto entry : given)
            if (!holds(double(entry))) return false;
          return true;
        } else {
          return false;
        }
      },
      value);
}

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", number);  // the shortest text that reads back to the same double
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// A TOML basic string.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (c < 0x20 || c == 0x7f)
          out += fmt::format("\\u{:04X}", int(c));
        else
          out += char(c);
    }
  }
  return out + "\"";
}

std::string toml_text(bool value) { return value ? "true" : "false"; }
std::string toml_text(int64_t value) { return std::to_string(value); }
std::string toml_text(double value) { return number_text(value); }
std::string toml_text(const std::string& value) { return quoted(value); }
template <class T>
std::string toml_text(const std::vector<T>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + toml_text(list[i]);
  return out + "]";
}

}  // namespace

Range anything() { return {}; }

Range above(double bound) {
  return {
      fmt::format("> {}", bound), [bound](const KnobValue& value) { return every_number(value, [&](double x) { return x > bound; }); }, {}};
}

Range at_least(double bound) {
  return {fmt::format(">= {}", bound),
          [bound](const KnobValue& value) { return every_number(value, [&](double x) { return x >= bound; }); },
          {}};
}

Range between(double low, double high) {
  return {fmt::format("from {} to {}", low, high),
          [low, high](const KnobValue& value) { return every_number(value, [&](double x) { return x >= low && x <= high; }); },
          {}};
}

Range one_of(std::vector<std::string> choices) {
  std::string text = fmt::format("one of {}", fmt::join(choices, ", "));
  auto accepts = [choices](const KnobValue& value) {
    auto listed = [&](const std::string& word) { return std::find(choices.begin(), choices.end(), word) != choices.end(); };
    if (auto* word = std::get_if<std::string>(&value)) return listed(*word);
    if (auto* words = std::get_if<std::vector<std::string>>(&value)) return std::all_of(words->begin(), words->end(), listed);
    return false;
  };
  return {std::move(text), std::move(accepts), std::move(choices)};
}

const Knob* Knobs::find(const std::string& name) const {
  for (const Knob& knob : knobs_)
    if (knob.name == name) return &knob;
  return nullptr;
}

void Knobs::declare(Knob knob) {
  if (find(knob.name)) throw std::logic_error("knob declared twice: " + knob.name);
  knobs_.push_back(std::move(knob));
}

std::string type_name(const KnobValue& value) {
  static const char* const names[] = {"true or false",         "whole number",    "number",       "text",
                                      "list of whole numbers", "list of numbers", "list of texts"};
  return names[value.index()];
}

std::string to_toml(const KnobValue& value) {
  return std::visit([](const auto& given) { return toml_text(given); }, value);
}

}  // namespace retort

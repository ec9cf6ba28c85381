// Knobs: typed, documented parameters, declared once. One declaration gives parsing, validation, help, docs and the resolved recipe.
//
//   struct KdKnobs {
//     double temperature = 4;
//     void describe(Knobs& knobs) { knobs("temperature", temperature, "softmax temperature of both sides", above(0)); }
//   };
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace retort {

using KnobValue = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

// What a value may be; lists are checked entry by entry.
struct Range {
  std::string text;                               // "> 0", "one of sgd, adam", "" when anything goes
  std::function<bool(const KnobValue&)> accepts;  // empty: anything goes (numbers must still be finite)
  std::vector<std::string> choices;               // the allowed words of one_of, for the nearest-name hint
};
Range anything();
Range above(double bound);
Range at_least(double bound);
Range between(double low, double high);  // closed interval
Range one_of(std::vector<std::string> choices);

struct Knob {
  std::string name, help;
  Range range;
  KnobValue initial;  // the declared default
  std::function<KnobValue()> get;
  std::function<void(const KnobValue&)> set;  // the value has the alternative of `initial` and lies in `range`
};

// The list of knobs of one section, bound to the fields of one struct (which must outlive it and stay where it is).
class Knobs {
 public:
  // T: bool, int64_t, double, std::string, std::vector<int64_t | double | std::string>.
  template <class T>
  void operator()(std::string name, T& field, std::string help, Range range = anything()) {
    declare(Knob{std::move(name), std::move(help), std::move(range), KnobValue(field), [&field] { return KnobValue(field); },
                 [&field](const KnobValue& value) { field = std::get<T>(value); }});
  }
  const std::vector<Knob>& all() const { return knobs_; }
  const Knob* find(const std::string& name) const;

 private:
  void declare(Knob knob);  // throws std::logic_error for a name declared twice
  std::vector<Knob> knobs_;
};

template <class Section>
Knobs knobs_of(Section& section) {
  Knobs knobs;
  section.describe(knobs);
  return knobs;
}

std::string type_name(const KnobValue& value);  // "number", "whole number", "true or false", "text", "list of numbers" …
std::string to_toml(const KnobValue& value);    // a TOML value that reads back to the same value

}  // namespace retort

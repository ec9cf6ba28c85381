#include "retort/catalogue/expectation.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {
namespace {

// A part of a sentence: its value, and whether it is a number whatever the arms say.
struct Part {
  LinearForm value;
  bool constant = true;
};

double number_of(const Part& part) {
  return part.value([](const ArmMetric&) { return 0.0; });
}

// Recursive descent: side = term {(+|-) term}; term = factor {(*|/) factor}; factor = number | arm[.metric] | function(side, …) | (side) | -factor.
class Parser {
 public:
  Parser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  Expectation expectation() {
    Expectation found;
    found.text = text_;
    const size_t colon = text_.find(':');
    if (colon == std::string::npos) fail("expected \"metric: left >= right\"");
    found.metric = trimmed(text_.substr(0, colon));
    if (found.metric.empty()) fail("expected a metric before the colon");
    metric_ = found.metric;
    at_ = colon + 1;
    found.left = side().value;
    found.relation = relation();
    found.right = side().value;
    skip_space();
    if (at_ < text_.size()) fail("expected the end");
    found.uses = std::move(uses_);
    if (found.uses.empty()) fail("expected an arm on one side");
    return found;
  }

 private:
  const std::string& text_;
  const std::string& where_;
  std::string metric_;
  std::set<ArmMetric> uses_;
  size_t at_ = 0;

  [[noreturn]] void fail(const std::string& expected) const {
    const std::string rest = at_ < text_.size() ? text_.substr(at_) : "";
    throw ConfigError(fmt::format("{}: \"{}\": {}{}", where_, text_, expected, rest.empty() ? "" : fmt::format(", got \"{}\"", rest)),
                      "an expectation reads like \"accuracy: kd >= ce + 0.7\"");
  }
  static std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char sign) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != sign) return false;
    ++at_;
    return true;
  }
  std::string word(const char* extra) {
    const size_t from = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || std::string(extra).find(text_[at_]) != std::string::npos))
      ++at_;
    return text_.substr(from, at_ - from);
  }
  std::string relation() {
    skip_space();
    for (const char* sign : {">=", "<=", "==", ">", "<"})
      if (text_.compare(at_, std::string(sign).size(), sign) == 0) {
        at_ += std::string(sign).size();
        return sign;
      }
    fail("expected one of >= > <= < ==");
  }

  Part side() {
    Part sum = term();
    for (;;) {
      const double sign = take('+') ? 1 : take('-') ? -1 : 0;
      if (sign == 0) return sum;
      const Part next = term();
      sum = Part{[a = sum.value, b = next.value, sign](const ArmValues& arms) { return a(arms) + sign * b(arms); },
                 sum.constant && next.constant};
    }
  }

  Part term() {
    Part product = factor();
    for (;;) {
      if (take('*')) {
        const Part next = factor();
        if (!product.constant && !next.constant) fail("an arm cannot be multiplied by an arm");
        product = Part{[a = product.value, b = next.value](const ArmValues& arms) { return a(arms) * b(arms); },
                       product.constant && next.constant};
      } else if (take('/')) {
        const Part next = factor();
        if (!next.constant || number_of(next) == 0) fail("only a number other than 0 may divide");
        product.value = [a = product.value, by = number_of(next)](const ArmValues& arms) { return a(arms) / by; };
      } else {
        return product;
      }
    }
  }

  Part factor() {
    if (take('-')) {
      const Part inner = factor();
      return Part{[a = inner.value](const ArmValues& arms) { return -a(arms); }, inner.constant};
    }
    if (take('(')) {
      const Part inner = side();
      if (!take(')')) fail("expected )");
      return inner;
    }
    skip_space();
    if (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.')) return number();
    const std::string name = word("_");
    if (name.empty()) fail("expected a number, an arm, min, max or mean");
    if (take('(')) return function(name);
    std::string metric = metric_;
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      metric = word("_@.");
      if (metric.empty()) fail("expected a metric after the dot");
    }
    uses_.insert({name, metric});
    return Part{[term = ArmMetric{name, metric}](const ArmValues& arms) { return arms(term); }, false};
  }

  Part number() {
    char* end = nullptr;
    const double value = std::strtod(text_.c_str() + at_, &end);
    if (end == text_.c_str() + at_) fail("expected a number");
    at_ = static_cast<size_t>(end - text_.c_str());
    return Part{[value](const ArmValues&) { return value; }, true};
  }

  Part function(const std::string& name) {
    if (name != "min" && name != "max" && name != "mean") fail(fmt::format("there is no function {}; expected min, max or mean", name));
    std::vector<LinearForm> inputs;
    bool constant = true;
    do {
      const Part part = side();
      inputs.push_back(part.value);
      constant = constant && part.constant;
    } while (take(','));
    if (!take(')')) fail("expected )");
    return Part{[name, inputs](const ArmValues& arms) {
                  std::vector<double> values;
                  for (const LinearForm& input : inputs) values.push_back(input(arms));
                  if (name == "min") return *std::min_element(values.begin(), values.end());
                  if (name == "max") return *std::max_element(values.begin(), values.end());
                  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
                },
                constant};
  }
};

bool satisfied(const std::string& relation, double surplus, double tolerance) {
  if (relation == "==") return -surplus <= tolerance;
  return relation == ">" || relation == "<" ? surplus > 0 : surplus >= 0;
}

}  // namespace

double Expectation::surplus(const ArmValues& values) const {
  const double difference = left(values) - right(values);
  if (relation == "==") return -std::abs(difference);
  return relation[0] == '>' ? difference : -difference;
}

double Expectation::margin() const {
  const ArmValues zero = [](const ArmMetric&) { return 0.0; };
  return right(zero) - left(zero);
}

Expectation parse_expectation(const std::string& text, const std::string& where) { return Parser(text, where).expectation(); }

std::string to_string(Verdict verdict) {
  return verdict == Verdict::holds ? "holds" : verdict == Verdict::does_not_hold ? "does not hold" : "undecided";
}

Judgement judge(const Expectation& expectation, const std::vector<ArmValues>& seeds) {
  Judgement found;
  double size = 0;
  for (const ArmValues& values : seeds) {
    found.surplus.push_back(expectation.surplus(values));
    size = std::max({size, std::abs(expectation.left(values)), std::abs(expectation.right(values))});
  }
  found.paired = compare_paired(found.surplus, std::vector<double>(found.surplus.size(), 0.0));
  const double mean = found.paired.mean_difference, tolerance = 1e-9 * size;
  found.mean_met = satisfied(expectation.relation, mean, tolerance);
  if (!std::isfinite(mean)) return found;
  const Verdict by_mean = found.mean_met ? Verdict::holds : Verdict::does_not_hold;
  const Interval& interval = found.paired.interval;
  const bool one_sided = interval.low == interval.high || interval.low > 0 || interval.high < 0;
  if (expectation.relation == "==" || (seeds.size() >= 3 && one_sided)) found.verdict = by_mean;
  return found;
}

}  // namespace retort

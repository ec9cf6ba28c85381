// Decision rules read off trees: a path from the root to a leaf is a conjunction of one interval a column.
#pragma once

#include "retort/surrogates/columns.h"
#include "retort/surrogates/tree.h"

namespace retort {

constexpr double kNoBound = std::numeric_limits<double>::infinity();

// low < x[column] <= high.
struct Condition {
  int64_t column = 0;
  double low = -kNoBound, high = kNoBound;
  bool missing = false;  // whether a missing value fulfils it
  bool holds(float value) const { return std::isnan(value) ? missing : value > low && value <= high; }
  bool operator==(const Condition& other) const {
    return column == other.column && low == other.low && high == other.high && missing == other.missing;
  }
};

struct Rule {
  std::vector<Condition> conditions;  // by column, one each
  int64_t decision = 0, leaf = -1;    // the class that it names; the leaf that it came from
  double coverage = 0;                // share of rows that fulfil it
  double confidence = 0;              // share of those that the model decides so
  double lift = 0;                    // confidence over the share of all rows that it decides so
  bool holds(const float* row) const;
};

// One rule a leaf, in the order of the leaves; the decision is what decide(leaf value) says. Together they hold for every row exactly once.
std::vector<Rule> rules_of(const Tree& tree, const std::function<int64_t(const double*)>& decide);

// Rows where the rule holds, [n] bool. x: [n, p] float32.
Tensor held_by(const Rule& rule, const Tensor& x);
// Fills coverage, confidence and lift from what the model decides about the rows ([n] int64).
void measure(Rule& rule, const Tensor& x, const Tensor& decisions);

struct TidyKnobs {
  double slack = 0.01;  // a condition goes where confidence falls by less than this
  double least_coverage = 0.01;
};
// Prunes conditions (the one that costs least first), leaves out rules that hold for too few rows and rules whose rows another rule of the same decision
// and no less confidence (less slack) covers by fewer conditions; orders by confidence * coverage. Ties keep their order.
std::vector<Rule> tidy(std::vector<Rule> rules, const Tensor& x, const Tensor& decisions, const TidyKnobs& knobs);

// Rules of many trees, few: an L1-penalised softmax regression on their indicators, the penalty lowered until more than `most` rules would have a
// weight. Those with one are kept, ordered as above. Friedman & Popescu 2008 (RuleFit).
std::vector<Rule> select_rules(const std::vector<Rule>& rules, const Tensor& x, const Tensor& decisions, int64_t classes, int64_t most);

// Rules read from the top, the first that holds decides; `otherwise` where none does. [n] int64.
Tensor decide_by(const std::vector<Rule>& rules, const Tensor& x, int64_t otherwise);
double covered_share(const std::vector<Rule>& rules, const Tensor& x);

// "if age above 39.5 and sex is Male" without the decision.
std::string in_words(const Rule& rule, const std::vector<Column>& columns);

}  // namespace retort

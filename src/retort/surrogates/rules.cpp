#include "retort/surrogates/rules.h"

#include <fmt/format.h>

namespace retort {
namespace {

void walk(const Tree& tree, int64_t at, std::map<int64_t, Condition>& path, const std::function<int64_t(const double*)>& decide,
          std::vector<Rule>& made) {
  const TreeNode& node = tree.nodes[static_cast<size_t>(at)];
  if (node.leaf()) {
    Rule rule;
    for (const auto& [column, condition] : path) rule.conditions.push_back(condition);
    rule.decision = decide(tree.value(at));
    rule.leaf = at;
    made.push_back(std::move(rule));
    return;
  }
  for (const bool left : {true, false}) {
    const auto known = path.find(node.column);
    const std::optional<Condition> before = known == path.end() ? std::nullopt : std::optional(known->second);
    Condition now = before.value_or(Condition{node.column, -kNoBound, kNoBound, true});
    if (left)
      now.high = std::min(now.high, static_cast<double>(node.cut));
    else
      now.low = std::max(now.low, static_cast<double>(node.cut));
    now.missing = now.missing && left == node.missing_left;
    path[node.column] = now;
    walk(tree, left ? node.left : node.right, path, decide, made);
    if (before)
      path[node.column] = *before;
    else
      path.erase(node.column);
  }
}

double worth(const Rule& rule) { return rule.confidence * rule.coverage; }

void order(std::vector<Rule>& rules) {
  std::stable_sort(rules.begin(), rules.end(), [](const Rule& a, const Rule& b) { return worth(a) > worth(b); });
}

// Whether every row of `narrow` is a row of `wide`.
bool within(const Rule& narrow, const Rule& wide) {
  return std::all_of(wide.conditions.begin(), wide.conditions.end(), [&](const Condition& outer) {
    return std::any_of(narrow.conditions.begin(), narrow.conditions.end(), [&](const Condition& inner) {
      return inner.column == outer.column && inner.low >= outer.low && inner.high <= outer.high && (outer.missing || !inner.missing);
    });
  });
}

Rule pruned(Rule rule, const Tensor& x, const Tensor& decisions, double slack) {
  const double start = rule.confidence;
  while (rule.conditions.size() > 1) {
    Rule best;
    for (size_t c = 0; c < rule.conditions.size(); ++c) {
      Rule shorter = rule;
      shorter.conditions.erase(shorter.conditions.begin() + static_cast<int64_t>(c));
      measure(shorter, x, decisions);
      if (best.conditions.empty() || shorter.confidence > best.confidence) best = shorter;
    }
    if (best.confidence <= start - slack) break;
    rule = best;
  }
  return rule;
}

}  // namespace

bool Rule::holds(const float* row) const {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Condition& condition) { return condition.holds(row[condition.column]); });
}

std::vector<Rule> rules_of(const Tree& tree, const std::function<int64_t(const double*)>& decide) {
  std::vector<Rule> made;
  std::map<int64_t, Condition> path;
  walk(tree, 0, path, decide, made);
  return made;
}

Tensor held_by(const Rule& rule, const Tensor& x) {
  const Tensor rows = x.contiguous();
  Tensor held = at::empty({rows.size(0)}, at::kBool);
  for (int64_t i = 0; i < rows.size(0); ++i) held.data_ptr<bool>()[i] = rule.holds(rows.data_ptr<float>() + i * rows.size(1));
  return held;
}

void measure(Rule& rule, const Tensor& x, const Tensor& decisions) {
  const Tensor held = held_by(rule, x), so = decisions == rule.decision;
  const double rows = held.sum().item<double>(), base = so.to(at::kDouble).mean().item<double>();
  rule.coverage = rows / static_cast<double>(held.numel());
  rule.confidence = rows > 0 ? held.logical_and(so).sum().item<double>() / rows : 0;
  rule.lift = base > 0 ? rule.confidence / base : 0;
}

std::vector<Rule> tidy(std::vector<Rule> rules, const Tensor& x, const Tensor& decisions, const TidyKnobs& knobs) {
  std::vector<Rule> kept;
  for (Rule& rule : rules) {
    measure(rule, x, decisions);
    if (rule.coverage < knobs.least_coverage) continue;
    kept.push_back(pruned(std::move(rule), x, decisions, knobs.slack));
  }
  order(kept);
  std::vector<Rule> left;
  for (size_t i = 0; i < kept.size(); ++i) {
    const bool needless = [&] {
      for (size_t j = 0; j < kept.size(); ++j) {
        if (i == j || kept[j].decision != kept[i].decision || !within(kept[i], kept[j]) ||
            kept[j].confidence < kept[i].confidence - knobs.slack)
          continue;
        if (!within(kept[j], kept[i]) || j < i) return true;  // of two alike the first stays
      }
      return false;
    }();
    if (!needless) left.push_back(kept[i]);
  }
  return left;
}

std::vector<Rule> select_rules(const std::vector<Rule>& rules, const Tensor& x, const Tensor& decisions, int64_t classes, int64_t most) {
  if (static_cast<int64_t>(rules.size()) <= most) return rules;
  std::vector<Tensor> columns;
  for (const Rule& rule : rules) columns.push_back(held_by(rule, x).to(at::kFloat));
  const Tensor indicators = at::stack(columns, 1), wanted = at::one_hot(decisions, classes).to(at::kFloat);
  const double n = static_cast<double>(indicators.size(0));
  // Softmax cross-entropy is smooth with constant |A|^2 / (2n) for the largest singular value |A| of the indicators and the column of ones.
  Tensor v = at::ones({indicators.size(1)});
  double largest = 1;
  for (int i = 0; i < 30; ++i) {
    v = at::mv(indicators.t(), at::mv(indicators, v));
    largest = v.norm().item<double>();
    v = v / largest;
  }
  const double step = 1 / (0.5 * (largest / n + 1));
  Tensor weight = at::zeros({indicators.size(1), classes}), bias = wanted.mean(0).clamp_min(1e-6).log();
  const auto slope = [&](const Tensor& w, const Tensor& b) { return (at::softmax(at::addmm(b, indicators, w), 1) - wanted) / n; };
  Tensor used = at::zeros({indicators.size(1)}, at::kBool);
  double penalty = at::mm(indicators.t(), slope(weight, bias)).abs().max().item<double>();
  for (int level = 0; level < 40; ++level) {
    penalty *= 0.8;
    Tensor ahead = weight, ahead_bias = bias;
    double momentum = 1;
    for (int round = 0; round < 60; ++round) {  // FISTA (Beck & Teboulle 2009)
      const Tensor error = slope(ahead, ahead_bias);
      const Tensor moved = ahead - step * at::mm(indicators.t(), error), next = moved.sign() * (moved.abs() - step * penalty).clamp_min(0),
                   next_bias = ahead_bias - step * error.sum(0);
      const double after = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2;
      ahead = next + (momentum - 1) / after * (next - weight);
      ahead_bias = next_bias + (momentum - 1) / after * (next_bias - bias);
      weight = next;
      bias = next_bias;
      momentum = after;
    }
    const Tensor now = (weight != 0).any(1);
    if (now.sum().item<int64_t>() > most) break;
    used = now;
  }
  std::vector<Rule> chosen;
  for (size_t r = 0; r < rules.size(); ++r)
    if (used[static_cast<int64_t>(r)].item<bool>()) chosen.push_back(rules[r]);
  order(chosen);
  return chosen;
}

Tensor decide_by(const std::vector<Rule>& rules, const Tensor& x, int64_t otherwise) {
  Tensor said = at::full({x.size(0)}, otherwise, at::kLong);
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) said.masked_fill_(held_by(*rule, x), rule->decision);
  return said;
}

double covered_share(const std::vector<Rule>& rules, const Tensor& x) {
  Tensor covered = at::zeros({x.size(0)}, at::kBool);
  for (const Rule& rule : rules) covered.logical_or_(held_by(rule, x));
  return covered.to(at::kDouble).mean().item<double>();
}

std::string in_words(const Rule& rule, const std::vector<Column>& columns) {
  if (rule.conditions.empty()) return "always";
  std::vector<std::string> words;
  for (const Condition& condition : rule.conditions)
    words.push_back(in_words(columns[static_cast<size_t>(condition.column)], condition.low, condition.high));
  return fmt::format("if {}", fmt::join(words, " and "));
}

}  // namespace retort

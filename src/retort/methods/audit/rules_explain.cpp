// Steps 6 and 7 of the card: rules about the black box, and what one row hangs on.
#include "retort/methods/audit/rules_surrogate.h"
#include "retort/surrogates/attribution.h"

namespace retort::audit {
namespace {

constexpr size_t kMostCandidates = 400;  // rules that the penalised regression chooses from
constexpr int64_t kBackground = 100, kDraws = 200;

// Conditions on the surrogate's columns become conditions on the table's.
Rule over_table(Rule rule, const std::vector<int64_t>& columns) {
  for (Condition& condition : rule.conditions) condition.column = columns[static_cast<size_t>(condition.column)];
  std::sort(rule.conditions.begin(), rule.conditions.end(), [](const Condition& a, const Condition& b) { return a.column < b.column; });
  return rule;
}

// The class that the model decides most often where the rule holds.
int64_t usual_decision(const Rule& rule, const Part& part, int64_t classes) {
  const Tensor held = part.decided.masked_select(held_by(rule, part.x));
  return held.numel() == 0 ? 0 : at::bincount(held, {}, classes).argmax().item<int64_t>();
}

// A category whose flag the surrogate moved has one value again: flags that the surrogate does not read give way, or the most common of them steps in.
void settle_category(Tensor row, const Exhibit& exhibit, const std::vector<int64_t>& read, int64_t group) {
  if (group < 0) return;
  bool set = false;
  int64_t most_common = -1;
  double most = -1;
  std::vector<int64_t> others;
  for (size_t j = 0; j < exhibit.columns.size(); ++j) {
    if (exhibit.columns[j].group != group) continue;
    const auto column = static_cast<int64_t>(j);
    if (std::find(read.begin(), read.end(), column) != read.end()) {
      set = set || row[column].item<float>() > 0.5f;
      continue;
    }
    others.push_back(column);
    const double common = exhibit.train.x.select(1, column).sum().item<double>();
    if (common > most) most = common, most_common = column;
  }
  const bool carried = std::any_of(others.begin(), others.end(), [&](int64_t column) { return row[column].item<float>() > 0.5f; });
  if (set)
    for (const int64_t column : others) row[column].zero_();
  else if (!carried && most_common >= 0)
    row[most_common].fill_(1);
}

}  // namespace

std::vector<Rule> find_rules(const Exhibit& exhibit, const Fit& tree, const Fit& boosted, const RulesKnobs& knobs) {
  const Part& part = exhibit.train;
  const auto classes = static_cast<int64_t>(exhibit.classes.size());
  std::vector<Rule> all;
  const auto gather = [&](const Fit& fit) {
    for (const Tree& one : fit.sum.trees)
      for (Rule& rule : rules_of(one, [](const double*) { return int64_t{0}; })) {
        if (rule.conditions.empty()) continue;
        Rule moved = over_table(std::move(rule), fit.columns);
        moved.decision = usual_decision(moved, part, classes);
        measure(moved, part.x, part.decided);
        if (moved.coverage >= knobs.least_coverage && moved.confidence >= knobs.least_confidence) all.push_back(std::move(moved));
      }
  };
  gather(tree);
  if (knobs.rules_from == "ensemble") gather(boosted);
  std::stable_sort(all.begin(), all.end(),
                   [](const Rule& a, const Rule& b) { return a.confidence * a.coverage > b.confidence * b.coverage; });
  if (all.size() > kMostCandidates) all.resize(kMostCandidates);
  std::vector<Rule> kept = tidy(std::move(all), part.x, part.decided, {0.01, knobs.least_coverage});
  const auto unsure = [&](const Rule& rule) { return rule.confidence < knobs.least_confidence; };
  kept.erase(std::remove_if(kept.begin(), kept.end(), unsure), kept.end());
  return select_rules(kept, part.x, part.decided, classes, knobs.most_rules);
}

std::vector<Explained> explain_rows(const Exhibit& exhibit, const Fit& tree, const Fit& main, const RulesKnobs& knobs, Seed seed) {
  const Tensor chosen = at::tensor(main.columns, at::kLong);
  const Tensor x = exhibit.train.x.index_select(1, chosen), test = exhibit.test.x.index_select(1, chosen);
  const Tensor background = permutation(x.size(0), seed.stream("background")).slice(0, 0, std::min(kBackground, x.size(0)));
  const std::vector<Rule> rules = rules_of(tree.sum.trees[0], [&](const double* value) { return exhibit.decide(value); });
  ChangeRules change;
  change.inside = knobs.inside;
  const Tensor spread = x.std(0, /*unbiased=*/false).clamp_min(1e-6);
  for (size_t j = 0; j < main.columns.size(); ++j) {
    const Column& column = exhibit.columns[static_cast<size_t>(main.columns[j])];
    change.columns.push_back(column);
    change.spread.push_back(spread[static_cast<int64_t>(j)].item<double>());
    change.fixed.push_back(std::any_of(knobs.fixed.begin(), knobs.fixed.end(), [&](const std::string& name) {
      return column.name == name || column.name.rfind(name + "=", 0) == 0;
    }));
  }
  const bool two = exhibit.classes.size() == 2;
  std::vector<Explained> all;
  for (int64_t row = 0; row < std::min(knobs.explained, test.size(0)); ++row) {
    Explained made;
    made.row = row;
    const int64_t decision = exhibit.test.decided[row].item<int64_t>();
    const Tensor own = test[row], full = exhibit.test.x[row];
    const std::vector<Counterfactual> near = counterfactuals(tree.sum.trees[0], rules, own, decision, change, x);
    if (!near.empty()) {
      Tensor asked = full.repeat({static_cast<int64_t>(near.size()), 1});
      for (size_t c = 0; c < near.size(); ++c) {
        Tensor changed = asked[static_cast<int64_t>(c)];
        for (const int64_t j : near[c].changed) changed[main.columns[static_cast<size_t>(j)]] = near[c].row[j];
        for (const int64_t j : near[c].changed)
          settle_category(changed, exhibit, main.columns, change.columns[static_cast<size_t>(j)].group);
      }
      const Tensor said = exhibit.model(asked).argmax(1);
      size_t first = 0;
      while (first < near.size() && said[static_cast<int64_t>(first)].item<int64_t>() == decision) ++first;
      made.found = true;
      made.nearest_flips = first == 0;
      made.flips = first < near.size();
      const size_t shown = made.flips ? first : 0;
      made.change = near[shown];
      made.now = said[static_cast<int64_t>(shown)].item<int64_t>();
    }
    if (row < knobs.examples) {
      const int64_t leaf = tree.sum.trees[0].leaf_of(own.contiguous().data_ptr<float>());
      for (const Rule& rule : rules)
        if (rule.leaf == leaf) made.path = in_words(rule, change.columns);
      const Tensor parts = tree_shapley(main.sum, own, x.index_select(0, background));
      const int64_t output = two ? 0 : decision;
      const double sign = two && decision == 0 ? -1 : 1;
      const Tensor box = shapley(exhibit.model, full, exhibit.train.x.index_select(0, background), main.columns, kDraws,
                                 seed.stream("orders", static_cast<uint64_t>(row)));
      for (int64_t j = 0; j < parts.size(0); ++j) {
        made.parts.push_back(sign * parts[j][output].item<double>());
        made.box_parts.push_back(box[j][decision].item<double>());
      }
      const double value = predict(main.sum, own.unsqueeze(0))[0][output].item<double>(),
                   base = predict(main.sum, x.index_select(0, background)).select(1, output).mean().item<double>();
      made.value = sign < 0 ? 1 - value : value;
      made.base = sign < 0 ? 1 - base : base;
    }
    all.push_back(std::move(made));
  }
  return all;
}

}  // namespace retort::audit

#include "retort/surrogates/counterfactual.h"

namespace retort {
namespace {

// Where a number goes to fulfil low < x <= high: just past the boundary, then on towards the middle of the rows of the leaf.
float moved(float from, const Condition& condition, const Tensor& leaf_values, double inside) {
  const bool up = std::isnan(from) ? !std::isinf(condition.low) : from <= condition.low;
  const float edge = up ? std::nextafter(static_cast<float>(condition.low), INFINITY) : static_cast<float>(condition.high);
  if (inside <= 0 || leaf_values.numel() == 0) return edge;
  const float middle = leaf_values.median().item<float>();
  const float to = static_cast<float>(edge + inside * (static_cast<double>(middle) - edge));
  return condition.holds(to) ? to : edge;
}

// Sets one flag of every category that was touched, where it must be another one: the most common that keeps the row in the leaf.
bool settle_groups(float* row, const std::set<int64_t>& groups, const ChangeRules& change, const Rule& rule, const Tensor& x) {
  for (const int64_t group : groups) {
    std::vector<int64_t> members;
    int64_t wanted = -1;
    for (size_t j = 0; j < change.columns.size(); ++j) {
      if (change.columns[j].group != group) continue;
      members.push_back(static_cast<int64_t>(j));
      for (const Condition& condition : rule.conditions)
        if (condition.column == static_cast<int64_t>(j) && !condition.holds(0)) wanted = condition.column;
    }
    if (wanted < 0) {
      double most = -1;
      for (const int64_t j : members) {
        const bool allowed = std::all_of(rule.conditions.begin(), rule.conditions.end(),
                                         [&](const Condition& c) { return c.column != j || c.holds(1); });
        const double common = x.select(1, j).sum().item<double>();
        if (allowed && !change.fixed[static_cast<size_t>(j)] && common > most) most = common, wanted = j;
      }
    }
    // A member outside the surrogate's columns may carry the category: then all of these may be 0.
    for (const int64_t j : members) row[j] = j == wanted;
  }
  return rule.holds(row);
}

}  // namespace

std::vector<Counterfactual> counterfactuals(const Tree& tree, const std::vector<Rule>& rules, const Tensor& row, int64_t decision,
                                            const ChangeRules& change, const Tensor& x) {
  const Tensor from = row.to(at::kFloat).contiguous(), leaves = leaves_of(tree, x);
  const float* value = from.data_ptr<float>();
  std::vector<Counterfactual> found;
  for (const Rule& rule : rules) {
    if (rule.decision == decision) continue;
    const Tensor own = change.inside > 0 ? x.index_select(0, at::nonzero(leaves == rule.leaf).squeeze(1)) : x.slice(0, 0, 0);
    Counterfactual made{from.clone(), {}, rule.leaf, rule.decision, 0};
    float* to = made.row.data_ptr<float>();
    std::set<int64_t> groups;
    for (const Condition& condition : rule.conditions) {
      const int64_t j = condition.column;
      if (condition.holds(value[j])) continue;
      const Column& column = change.columns[static_cast<size_t>(j)];
      to[j] = column.flag ? (value[j] > 0.5f ? 0.f : 1.f) : moved(value[j], condition, own.select(1, j), change.inside);
      if (column.group >= 0) groups.insert(column.group);
    }
    if (!settle_groups(to, groups, change, rule, x)) continue;
    bool allowed = true;
    for (int64_t j = 0; j < from.numel(); ++j) {
      if (to[j] == value[j] || (std::isnan(to[j]) && std::isnan(value[j]))) continue;
      allowed = allowed && !change.fixed[static_cast<size_t>(j)];
      made.changed.push_back(j);
      made.cost += std::abs(static_cast<double>(to[j]) - (std::isnan(value[j]) ? 0 : value[j])) / change.spread[static_cast<size_t>(j)];
    }
    if (allowed) found.push_back(std::move(made));
  }
  std::stable_sort(found.begin(), found.end(), [](const Counterfactual& a, const Counterfactual& b) { return a.cost < b.cost; });
  return found;
}

}  // namespace retort

// Steps 2 to 5 of the card: several opinions about the columns, one order, and how many of them a surrogate needs.
#include "retort/methods/audit/rules_surrogate.h"
#include "retort/surrogates/boosted.h"
#include "retort/surrogates/fidelity.h"

namespace retort::audit {

Tensor Exhibit::target(const Part& part) const { return part.said.size(1) == 2 ? part.said.slice(1, 1, 2) : part.said; }

int64_t Exhibit::decide(const double* value) const {
  if (classes.size() == 2) return *value > 0.5;
  return std::max_element(value, value + classes.size()) - value;
}

Tensor Exhibit::decide(const Tensor& values) const {
  return classes.size() == 2 ? (values.squeeze(1) > 0.5).to(at::kLong) : values.argmax(1);
}

Importance weigh_columns(const Exhibit& exhibit, const Net* net, const RulesKnobs& knobs, Seed seed) {
  const auto wanted = [&](const std::string& name) {
    return knobs.methods.empty() || std::find(knobs.methods.begin(), knobs.methods.end(), name) != knobs.methods.end();
  };
  const int64_t rows = std::min(knobs.probe, exhibit.choice.x.size(0));
  const Tensor chosen = permutation(exhibit.choice.x.size(0), seed.stream("probe")).slice(0, 0, rows);
  const Tensor x = exhibit.choice.x.index_select(0, chosen), labels = exhibit.choice.labels.index_select(0, chosen);
  const int64_t p = x.size(1);
  const Worth worth = knobs.worth == "accuracy" ? Worth(share_decided_right) : Worth(negative_squared_error);
  Importance found;
  found.blocks = p > knobs.blocks_above;
  std::vector<int64_t> looked_at(static_cast<size_t>(p));
  std::iota(looked_at.begin(), looked_at.end(), 0);
  if (wanted("permutation") || found.blocks) {
    const Groups groups = correlated_groups(exhibit.train.x, knobs.correlated);
    const Permutation shuffled = (found.blocks ? block_permutation_importance : permutation_importance)(
        exhibit.model, x, labels, worth, groups, knobs.permutations, seed.stream("permutation"));
    found.null_95 = shuffled.null_95;
    found.null_max = shuffled.null_max;
    found.asked = shuffled.asked;
    looked_at.clear();
    for (int64_t j = 0; j < p; ++j)
      if (shuffled.measured[static_cast<size_t>(j)]) looked_at.push_back(j);
    if (wanted("permutation")) found.opinions.push_back({"permutation", shuffled.importance});
  }
  if (wanted("sensitivity")) {
    found.opinions.push_back(
        {"sensitivity", sensitivity(exhibit.model, x, knobs.step * exhibit.train.x.std(0, /*unbiased=*/false), looked_at)});
    found.asked += x.size(0) * static_cast<int64_t>(looked_at.size() + 1);
  }
  if (net != nullptr) {
    const InnerProbes inside = look_inside(*net, x, labels);
    for (const auto& [name, values] : {std::pair<std::string, const std::vector<double>&>{"gradient", inside.gradient},
                                       {"attention", inside.attention},
                                       {"latent", inside.latent}})
      if (wanted(name) && !values.empty()) found.opinions.push_back({name, values});
  }
  std::vector<std::vector<double>> values;
  for (const Opinion& opinion : found.opinions) values.push_back(opinion.values);
  if (values.empty()) values.emplace_back(static_cast<size_t>(p), 0);
  found.ranks = mean_ranks(values);
  found.order = ranked_columns(found.ranks);
  return found;
}

Fit fit_surrogate(const std::string& kind, const Exhibit& exhibit, std::vector<int64_t> columns, const RulesKnobs& knobs, Seed seed) {
  const Tensor chosen = at::tensor(columns, at::kLong), x = exhibit.train.x.index_select(1, chosen);
  const Tensor hard = at::one_hot(exhibit.train.decided, static_cast<int64_t>(exhibit.classes.size())).to(at::kDouble);
  const Tensor y = knobs.target == "probabilities" ? exhibit.target(exhibit.train).to(at::kDouble)
                   : hard.size(1) == 2             ? hard.slice(1, 1, 2)
                                                   : hard;
  Fit fit{kind, std::move(columns), {}};
  if (kind == "tree") {
    fit.sum = fit_tree(bin_table(x), y, {knobs.depth, 1, knobs.min_leaf});
  } else if (kind == "forest") {
    ForestSettings settings;
    settings.trees = knobs.trees;
    fit.sum = fit_forest(bin_table(x), y, settings, seed.stream("forest"));
  } else {
    BoostedSettings settings;
    settings.rounds = knobs.rounds;
    settings.rate = knobs.rate;
    settings.tree.depth = knobs.boosted_depth;
    fit.sum = fit_boosted(x, y, settings, seed.stream("boosted"));
  }
  return fit;
}

Choice choose_k(const Exhibit& exhibit, const Importance& importance, const RulesKnobs& knobs, Seed seed) {
  const auto p = static_cast<int64_t>(importance.order.size());
  if (knobs.k > 0) return {knobs.k, {}};
  std::set<int64_t> sizes;
  for (const int64_t k : {5, 10, 20, 50, 100}) sizes.insert(std::min(k, p));
  Choice choice{0, {}};
  double best = -1e300;
  for (const int64_t k : sizes) {
    const Fit fit = fit_surrogate(knobs.surrogate, exhibit, {importance.order.begin(), importance.order.begin() + k}, knobs, seed);
    choice.tried.push_back({k, r_squared(fit.values(exhibit.choice.x), exhibit.target(exhibit.choice))});
    best = std::max(best, choice.tried.back().second);
  }
  for (const auto& [k, fidelity] : choice.tried)
    if (choice.k == 0 && fidelity >= best - 0.01) choice.k = k;
  return choice;
}

}  // namespace retort::audit

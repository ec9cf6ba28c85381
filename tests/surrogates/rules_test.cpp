#include "retort/surrogates/rules.h"

#include <gtest/gtest.h>

#include "retort/surrogates/counterfactual.h"

namespace retort {
namespace {

const auto kAboveHalf = [](const double* value) { return static_cast<int64_t>(*value > 0.5); };

Tensor normals(int64_t n, int64_t p, uint64_t seed = 1) { return at::randn({n, p}, Seed(seed).generator()); }

struct Grown {
  Tensor x, decisions;
  TreeSum sum;
  std::vector<Rule> rules;
};
Grown grown(int64_t depth = 5) {
  Grown g;
  g.x = normals(800, 4);
  const Tensor y = (g.x.select(1, 0) + g.x.select(1, 1) > 0.3).to(at::kLong);
  g.sum = fit_tree(bin_table(g.x), y.unsqueeze(1), {depth, 1, 0.01});
  g.decisions = y;
  g.rules = rules_of(g.sum.trees[0], kAboveHalf);
  return g;
}

TEST(Rules, OfOneTreePartitionTheRows) {
  Grown g = grown();
  double coverage = 0;
  Tensor times = at::zeros({800}, at::kLong);
  for (Rule& rule : g.rules) {
    measure(rule, g.x, g.decisions);
    coverage += rule.coverage;
    times += held_by(rule, g.x).to(at::kLong);
    std::set<int64_t> columns;
    for (const Condition& condition : rule.conditions) EXPECT_TRUE(columns.insert(condition.column).second) << "one interval a column";
  }
  EXPECT_NEAR(coverage, 1, 1e-12);
  EXPECT_TRUE(times.eq(1).all().item<bool>());
  EXPECT_TRUE(decide_by(g.rules, g.x, -1).equal((predict(g.sum, g.x).squeeze(1) > 0.5).to(at::kLong)));
}

TEST(Rules, CoverageConfidenceAndLiftByHand) {
  const Tensor x = at::tensor({1.f, 2.f, 3.f, 4.f}).view({4, 1}), decisions = at::tensor({0, 1, 1, 1}, at::kLong);
  Rule rule;
  rule.conditions = {{0, 2.5, kNoBound, false}};
  rule.decision = 1;
  measure(rule, x, decisions);
  EXPECT_EQ(rule.coverage, 0.5);
  EXPECT_EQ(rule.confidence, 1);
  EXPECT_NEAR(rule.lift, 4.0 / 3, 1e-12);
}

TEST(Rules, TidyDropsWhatSaysNothing) {
  const Tensor x = normals(1000, 3), decisions = (x.select(1, 0) > 0).to(at::kLong);
  Rule wordy, narrow, rare;
  wordy.conditions = {{0, 0, kNoBound, false}, {2, -kNoBound, 5, false}};  // the second holds for all
  wordy.decision = narrow.decision = rare.decision = 1;
  narrow.conditions = {{0, 0.5, kNoBound, false}};  // no surer than the first
  rare.conditions = {{0, 3.2, kNoBound, false}};
  const auto kept = tidy({wordy, narrow, rare}, x, decisions, {});
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].conditions, (std::vector<Condition>{{0, 0, kNoBound, false}}));
  EXPECT_EQ(kept[0].confidence, 1);
}

TEST(Rules, SelectionKeepsTheOnesThatTell) {
  const Tensor x = normals(600, 6), decisions = (x.select(1, 0) > 0).to(at::kLong);
  std::vector<Rule> rules;
  for (int64_t j = 0; j < 6; ++j)
    for (const int64_t decision : {0, 1}) {
      Rule rule;
      rule.conditions = {decision == 1 ? Condition{j, 0, kNoBound, false} : Condition{j, -kNoBound, 0, false}};
      rule.decision = decision;
      measure(rule, x, decisions);
      rules.push_back(rule);
    }
  const auto kept = select_rules(rules, x, decisions, 2, 3);
  ASSERT_FALSE(kept.empty());
  EXPECT_LE(kept.size(), 3u);
  EXPECT_EQ(kept[0].conditions[0].column, 0);
}

TEST(Rules, InWords) {
  std::vector<Column> columns(2);
  columns[0].name = "age";
  columns[0].shift = 40;
  columns[0].scale = 10;
  columns[1] = {"sex=Male", true, 0, 1, "sex is Male", "sex is not Male", 0};
  Rule rule;
  rule.conditions = {{0, -0.05, 1.2, false}, {1, 0.5, kNoBound, false}};
  EXPECT_EQ(in_words(rule, columns), "if age above 39.5 and at most 52 and sex is Male");
  rule.conditions = {{0, -kNoBound, 1.2, false}, {1, -kNoBound, 0.5, false}};
  EXPECT_EQ(in_words(rule, columns), "if age at most 52 and sex is not Male");
}

TEST(Rules, AZeroThatWentThroughFloatsIsAZero) {
  Column pixel;
  pixel.shift = 77.7;
  pixel.scale = 81.3;
  EXPECT_EQ(value_in_words(pixel, static_cast<float>(-77.7 / 81.3)), "0");
  EXPECT_EQ(value_in_words(pixel, 0), "77.7");
}

ChangeRules change_of(const Tensor& x) {
  ChangeRules change;
  change.columns.resize(static_cast<size_t>(x.size(1)));
  change.fixed.assign(static_cast<size_t>(x.size(1)), false);
  change.spread.assign(static_cast<size_t>(x.size(1)), 1);
  return change;
}

TEST(Counterfactual, LiesInItsLeafAndChangesOnlyWhatItMay) {
  const Grown g = grown(4);
  ChangeRules change = change_of(g.x);
  change.fixed[0] = true;
  size_t found = 0;
  for (int64_t i = 0; i < 50; ++i) {
    const int64_t decision = kAboveHalf(predict(g.sum, g.x[i].unsqueeze(0)).data_ptr<double>());
    for (const double inside : {0.0, 1.0}) {
      change.inside = inside;
      double cost = 0;
      for (const Counterfactual& made : counterfactuals(g.sum.trees[0], g.rules, g.x[i], decision, change, g.x)) {
        ++found;
        EXPECT_EQ(g.sum.trees[0].leaf_of(made.row.data_ptr<float>()), made.leaf);
        EXPECT_NE(made.decision, decision);
        EXPECT_EQ(made.row[0].item<float>(), g.x[i][0].item<float>());
        EXPECT_GE(made.cost, cost);
        cost = made.cost;
      }
    }
  }
  EXPECT_GT(found, 10u);
}

TEST(Counterfactual, ACategoryKeepsOneValue) {
  const Tensor kinds = at::randint(0, 3, {300}, Seed(2).generator(), at::TensorOptions().dtype(at::kLong)),
               x = at::one_hot(kinds, 3).to(at::kFloat);
  const TreeSum sum = fit_tree(bin_table(x), (kinds == 1).to(at::kDouble).unsqueeze(1), {3, 1, 0});
  ChangeRules change = change_of(x);
  for (Column& column : change.columns) column.flag = true, column.group = 0;
  const auto made = counterfactuals(sum.trees[0], rules_of(sum.trees[0], kAboveHalf), at::tensor({1.f, 0.f, 0.f}), 0, change, x);
  ASSERT_EQ(made.size(), 1u);
  EXPECT_TRUE(made[0].row.equal(at::tensor({0.f, 1.f, 0.f})));
}

}  // namespace
}  // namespace retort

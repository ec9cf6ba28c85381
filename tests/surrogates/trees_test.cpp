#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/surrogates/boosted.h"
#include "retort/surrogates/fidelity.h"

namespace retort {
namespace {

const float kGap = std::numeric_limits<float>::quiet_NaN();

Tensor normals(int64_t n, int64_t p, uint64_t seed = 1) { return at::randn({n, p}, Seed(seed).generator()); }

TEST(Binning, EveryDistinctValueHasItsBinAndGapsTheirOwn) {
  const Tensor x = at::tensor({3.f, 1.f, 1.f, kGap, 2.f}).view({5, 1});
  const BinnedTable table = bin_table(x);
  EXPECT_EQ(table.bins.cuts[0], (std::vector<float>{1.5f, 2.5f}));
  EXPECT_EQ(table.codes, (std::vector<uint8_t>{2, 0, 0, kMissingBin, 1}));
  EXPECT_EQ(table.bins.of(0, 1.5f), 0);  // a value at the cut is on its left
}

TEST(Binning, ManyValuesMakeBinsOfAboutAsManyRows) {
  const Bins bins = fit_bins(at::arange(1000, at::kFloat).view({1000, 1}), 4);
  EXPECT_EQ(bins.cuts[0], (std::vector<float>{250.5f, 500.5f, 750.5f}));
  EXPECT_TRUE(fit_bins(at::full({9, 1}, 2.f)).cuts[0].empty());
}

TEST(Tree, SplitsByHand) {
  const Tensor x = at::tensor({1.f, 2.f, 3.f, 4.f}).view({4, 1}), y = at::tensor({0., 0., 1., 3.}).view({4, 1});
  const TreeSum one = fit_tree(bin_table(x), y, {/*depth=*/1, 1, 0});
  ASSERT_EQ(one.trees[0].nodes.size(), 3u);
  EXPECT_EQ(one.trees[0].nodes[0].cut, 3.5f);  // 0, 0, 1 | 3: error 2/3, against 2 of 0, 0 | 1, 3
  EXPECT_NEAR(predict(one, x)[0].item<double>(), 1.0 / 3, 1e-12);
  const TreeSum whole = fit_tree(bin_table(x), y, {5, 1, 0});
  EXPECT_EQ((predict(whole, x) - y).abs().max().item<double>(), 0);
  const TreeSum halves = fit_tree(bin_table(x), y, {5, 2, 0});
  EXPECT_EQ(halves.trees[0].nodes[0].cut, 2.5f);
}

TEST(Tree, OneHotTargetsSplitByGini) {
  const Tensor x = at::tensor({0.f, 1.f, 2.f, 3.f, 4.f, 5.f}).view({6, 1});
  const Tensor y = at::one_hot(at::tensor({0, 0, 1, 1, 2, 2}, at::kLong), 3);
  const TreeSum tree = fit_tree(bin_table(x), y, {2, 1, 0});
  EXPECT_TRUE(predict(tree, x).argmax(1).equal(at::tensor({0, 0, 1, 1, 2, 2}, at::kLong)));
}

TEST(Tree, GapsGoWhereTheyFitBest) {
  const Tensor x = at::tensor({1.f, 2.f, 9.f, 10.f, kGap, kGap}).view({6, 1}), y = at::tensor({0., 0., 1., 1., 0., 0.}).view({6, 1});
  const TreeSum tree = fit_tree(bin_table(x), y, {1, 1, 0});
  EXPECT_TRUE(tree.trees[0].nodes[0].missing_left);
  EXPECT_EQ((predict(tree, x) - y).abs().max().item<double>(), 0);
}

TEST(Tree, LeavesHoldAtLeastTheirShare) {
  const Tensor x = normals(500, 3);
  const TreeSum tree = fit_tree(bin_table(x), x.sum(1, true), {10, 1, 0.1});
  for (const int64_t leaf : tree.trees[0].leaves()) EXPECT_GE(tree.trees[0].nodes[static_cast<size_t>(leaf)].rows, 50);
}

TEST(Forest, FollowsASmoothTargetAndTheSeed) {
  const Tensor x = normals(600, 4), y = (x.select(1, 0) * x.select(1, 1)).unsqueeze(1);
  ForestSettings settings;
  settings.trees = 30;
  settings.tree.column_share = 1;
  const TreeSum forest = fit_forest(bin_table(x), y, settings, Seed(3)), again = fit_forest(bin_table(x), y, settings, Seed(3));
  EXPECT_GT(r_squared(predict(forest, x), y), 0.8);
  EXPECT_TRUE(predict(forest, x).equal(predict(again, x)));
  EXPECT_FALSE(predict(forest, x).equal(predict(fit_forest(bin_table(x), y, settings, Seed(4)), x)));
}

TEST(Boosted, OneRoundByHand) {
  const Tensor x = at::tensor({0.f, 1.f}).view({2, 1}), y = at::tensor({0., 4.}).view({2, 1});
  BoostedSettings settings;
  settings.rounds = 1;
  settings.rate = 0.5;
  settings.tree = {1, 1, 0, 1, /*l2=*/0};
  EXPECT_TRUE(predict(fit_boosted(x, y, settings), x).equal(at::tensor({1., 3.}).view({2, 1})));  // 2 -+ 0.5 * 2
  settings.loss = Link::logistic;
  // The mean 0.5 starts at 0; residuals -+0.5 by curvature 0.25 give Newton steps -+2, halved.
  EXPECT_LT((margins(fit_boosted(x, y / 4, settings), x) - at::tensor({-1., 1.}).view({2, 1})).abs().max().item<double>(), 1e-6);
}

TEST(Boosted, HeldOutRowsStopIt) {
  const Tensor x = normals(300, 5), y = at::randn({300, 1}, Seed(9).generator());
  BoostedSettings settings;
  settings.patience = 5;
  const TreeSum noise = fit_boosted(x, y, settings, Seed(0), normals(300, 5, 2), at::randn({300, 1}, Seed(8).generator()));
  EXPECT_LT(noise.trees.size(), 30u);
  const TreeSum signal = fit_boosted(x, x.slice(1, 0, 1), settings, Seed(0), normals(300, 5, 2), normals(300, 5, 2).slice(1, 0, 1));
  EXPECT_GT(r_squared(predict(signal, normals(200, 5, 7)), normals(200, 5, 7).slice(1, 0, 1)), 0.97);
}

TEST(Boosted, LogisticTakesOneOutputOfShares) {
  BoostedSettings settings;
  settings.loss = Link::logistic;
  EXPECT_THROW(fit_boosted(normals(20, 2), at::zeros({20, 2}), settings), ConfigError);
  EXPECT_THROW(fit_boosted(normals(20, 2), at::full({20, 1}, 2.0), settings), ConfigError);
}

}  // namespace
}  // namespace retort

#include "retort/surrogates/importance.h"

#include <gtest/gtest.h>

#include "retort/surrogates/attribution.h"
#include "retort/surrogates/boosted.h"

namespace retort {
namespace {

Tensor normals(int64_t n, int64_t p, uint64_t seed = 1) { return at::randn({n, p}, Seed(seed).generator()); }

Groups singles(int64_t p) {
  Groups groups;
  for (int64_t j = 0; j < p; ++j) groups.push_back({j});
  return groups;
}

TEST(Permutation, AnIgnoredColumnIsWorthExactlyNothing) {
  const Answers model = [](const Tensor& x) { return x.slice(1, 0, 1).sigmoid(); };
  const Tensor x = normals(200, 3), truth = x.slice(1, 0, 1).sigmoid();
  const Permutation found = permutation_importance(model, x, truth, negative_squared_error, singles(3), 5, Seed(1));
  EXPECT_GT(found.importance[0], 0);
  EXPECT_EQ(found.importance[1], 0);
  EXPECT_EQ(found.importance[2], 0);
  EXPECT_EQ(found.asked, 200 * 16);
}

TEST(Permutation, OfALinearModelIsTwiceVarianceTimesSquaredWeight) {
  const double w = 1.7;
  const Answers model = [&](const Tensor& x) { return w * x; };
  const Tensor x = 0.5 * normals(4000, 1);
  const double variance = x.var(0, false).item<double>();
  const Permutation found = permutation_importance(model, x, w * x, negative_squared_error, singles(1), 20, Seed(2));
  EXPECT_NEAR(found.importance[0], 2 * variance * w * w, 0.02);
}

TEST(Permutation, TwinsAreShuffledTogether) {
  const Tensor a = normals(300, 1), x = at::cat({a, a + 0.01 * normals(300, 1, 2), normals(300, 1, 3)}, 1);
  const Groups groups = correlated_groups(x, 0.9);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0], (std::vector<int64_t>{0, 1}));
  const Answers model = [](const Tensor& rows) { return rows.slice(1, 0, 1) + rows.slice(1, 1, 2); };
  const Permutation found = permutation_importance(model, x, model(x), negative_squared_error, groups, 5, Seed(1));
  EXPECT_EQ(found.importance[0], found.importance[1]);
  EXPECT_NEAR(found.importance[0], 8, 1.5);  // 2 var (2 a)
}

TEST(Permutation, BlocksFindTheSameColumnsWithFewerQuestions) {
  const int64_t p = 900;
  Tensor weights = at::zeros({p, 1});
  for (const int64_t j : {7, 300, 301, 880}) weights[j] = 1;
  const Answers model = [&](const Tensor& x) { return at::mm(x, weights); };
  const Tensor x = normals(200, p), truth = model(x);
  const Permutation found = block_permutation_importance(model, x, truth, negative_squared_error, singles(p), 3, Seed(4));
  for (const int64_t j : {7, 300, 301, 880}) EXPECT_GT(found.importance[static_cast<size_t>(j)], 1) << j;
  EXPECT_LT(found.asked, 200 * 3 * 200);
  EXPECT_EQ(std::count_if(found.importance.begin(), found.importance.end(), [](double value) { return value > 0.5; }), 4);
}

TEST(Sensitivity, FollowsTheWeightOfAColumn) {
  const Answers model = [](const Tensor& x) { return at::stack({x.select(1, 0) * 0.1 + 5, x.select(1, 1)}, 1); };
  const auto found = sensitivity(model, at::zeros({4, 3}), at::tensor({2.f, 1.f, 1.f}), {0, 1, 2});
  EXPECT_NEAR(found[0], 0.2, 1e-6);
  EXPECT_EQ(found[1], 0);  // moves the output that was not decided for
  EXPECT_EQ(found[2], 0);
}

TEST(Borda, MeansRanksAndOrdersColumns) {
  const auto ranks = mean_ranks({{3, 1, 2}, {10, 0, 0}});
  EXPECT_EQ(ranks, (std::vector<double>{1, 2.75, 2.25}));
  EXPECT_EQ(ranked_columns(ranks), (std::vector<int64_t>{0, 2, 1}));
}

TEST(Shapley, OfTreesAgreesWithEveryCoalition) {
  const Tensor x = normals(400, 5), y = at::stack({x.select(1, 0) * x.select(1, 1) + x.select(1, 2), x.select(1, 3).abs()}, 1);
  BoostedSettings settings;
  settings.rounds = 30;
  const TreeSum sum = fit_boosted(x, y, settings);
  const Tensor background = x.slice(0, 0, 20), row = x[50];
  const Tensor exact = tree_shapley(sum, row, background);
  const Tensor listed = shapley([&](const Tensor& rows) { return margins(sum, rows); }, row, background, {0, 1, 2, 3, 4}, 0, Seed(0));
  EXPECT_LT((exact - listed).abs().max().item<double>(), 1e-9);
  const Tensor difference = margins(sum, row.unsqueeze(0))[0] - margins(sum, background).mean(0);
  EXPECT_LT((exact.sum(0) - difference).abs().max().item<double>(), 1e-9);
}

TEST(Shapley, SampledOrdersComeNear) {
  const int64_t p = 15;
  const Tensor weights = at::arange(p, at::kFloat), x = normals(50, p);
  const auto model = [&](const Tensor& rows) { return at::mv(rows, weights).unsqueeze(1); };
  std::vector<int64_t> players(static_cast<size_t>(p));
  std::iota(players.begin(), players.end(), 0);
  const Tensor found = shapley(model, x[0], x, players, 3000, Seed(1)).squeeze(1), expected = weights * (x[0] - x.mean(0));
  EXPECT_LT((found - expected).abs().max().item<double>(), 1.0);
  EXPECT_NEAR(found[1].item<double>(), expected[1].item<double>(), 0.1);
}

}  // namespace
}  // namespace retort

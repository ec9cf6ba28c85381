#include "retort/stats/probes.h"

#include "retort/base/random.h"
#include "tests/support.h"

namespace retort {
namespace {

// Three Gaussian classes in the plane, columns of very different scale.
std::pair<Tensor, Tensor> clusters(int64_t n, uint64_t seed) {
  const Tensor labels = at::arange(n) % 3, centres = at::tensor({0.0f, 2.0f, 2.0f, -1.0f, -2.0f, -1.0f}).view({3, 2});
  const Tensor x = centres.index_select(0, labels) + at::empty({n, 2}).normal_(0, 0.5, Seed(seed).generator());
  return {x * at::tensor({100.0f, 0.01f}) + 7, labels};
}

TEST(LogisticRegression, OneFeatureByHand) {
  // Two classes at x = -1 and 1 (standardised as they are), penalty p: with weights (-w/2, w/2) the gradient vanishes where w/2 * p * 2 = sigmoid(-w)…
  const Tensor x = at::tensor({-1.0f, 1.0f}).view({2, 1}), y = at::tensor({0, 1}, at::kLong);
  const LinearReadout readout = logistic_regression(x, y, 2, 0.1);
  const double w = (readout.weight[1][0] - readout.weight[0][0]).item<double>();
  EXPECT_NEAR(0.1 * w / 2, 1 / (1 + std::exp(w)), 1e-5);
  EXPECT_NEAR((readout.bias[1] - readout.bias[0]).item<double>(), 0, 1e-5);
}

TEST(LogisticRegression, SeparatesWhateverTheScale) {
  const auto [x, y] = clusters(300, 1);
  const auto [other, truth] = clusters(300, 2);
  EXPECT_GT(share_right(logistic_regression(x, y, 3, 1e-3).scores(other), truth), 0.97);
}

TEST(LogisticRegression, UnlabelledRowsDoNotCount) {
  const auto [x, y] = clusters(60, 1);
  const Tensor more = at::cat({x, x + 50}), labels = at::cat({y, at::full({60}, -1, at::kLong)});
  EXPECT_TRUE(logistic_regression(more, labels, 3, 0.01).weight.allclose(logistic_regression(x, y, 3, 0.01).weight, 1e-4, 1e-6));
}

TEST(LogisticRegression, ThePenaltyIsChosenOnHeldOutRows) {
  // A column that names the training labels by accident and says nothing else where: only a strong penalty helps.
  const auto [x, y] = clusters(90, 1);
  const auto [held, truth] = clusters(90, 2);
  const LinearReadout best = best_logistic_regression(x, y, held, truth, 3, {1e-4, 10});
  const double a = share_right(logistic_regression(x, y, 3, 1e-4).scores(held), truth),
               b = share_right(logistic_regression(x, y, 3, 10).scores(held), truth);
  EXPECT_DOUBLE_EQ(share_right(best.scores(held), truth), std::max(a, b));
}

TEST(Knn, VotesByHand) {
  // The query lies at 0 and 60 degrees from the rows: similarities 1 and 0.5.
  const Tensor rows = at::tensor({2.0f, 0.0f, 0.5f, 0.8660254f, -1.0f, 0.0f}).view({3, 2}), labels = at::tensor({0, 1, 1}, at::kLong);
  const Tensor votes = knn_votes(rows, labels, at::tensor({1.0f, 0.0f}).view({1, 2}), 2, /*k=*/2, /*temperature=*/0.5);
  const double first = std::exp(2.0), second = std::exp(1.0);
  EXPECT_NEAR(votes[0][0].item<double>(), first / (first + second), 1e-5);
  EXPECT_NEAR(votes.sum().item<double>(), 1, 1e-6);
  EXPECT_EQ(knn_votes(rows, labels, rows, 2, 50).sizes(), at::IntArrayRef({3, 2}));  // more neighbours than rows
}

TEST(Probes, RefuseWhatTheyCannotRead) {
  const Tensor x = at::zeros({3, 2}), none = at::full({3}, -1, at::kLong);
  EXPECT_EQ(caught<ConfigError>([&] { logistic_regression(x, none, 2, 0.1); }).line, "logistic_regression: none of 3 rows has a label");
  EXPECT_EQ(caught<ConfigError>([&] { knn_votes(x, none, x, 2); }).line, "knn_votes: none of 3 rows has a label");
  EXPECT_EQ(caught<DataError>([&] {
              logistic_regression(x, at::tensor({0, 1, 5}, at::kLong), 2, 0.1);
            }).line,
            "logistic_regression: label 5 is outside [0, 2)");
  EXPECT_EQ(caught<ConfigError>([&] { knn_votes(x, none + 1, at::zeros({1, 3}), 2); }).line, "knn_votes: queries [1, 3] among rows [3, 2]");
}

TEST(ShareRight, LeavesUnlabelledRowsOut) {
  const Tensor scores = at::tensor({1.0f, 0.0f, 0.0f, 1.0f, 1.0f, 0.0f}).view({3, 2});
  EXPECT_DOUBLE_EQ(share_right(scores, at::tensor({0, 0, -1}, at::kLong)), 0.5);
}

}  // namespace
}  // namespace retort

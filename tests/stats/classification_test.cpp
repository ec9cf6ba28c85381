#include "retort/stats/classification.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

Tensor logits_of(std::vector<std::vector<double>> probabilities) {
  std::vector<Tensor> rows;
  for (const auto& row : probabilities) rows.push_back(torch::tensor(row, at::kDouble));
  return at::stack(rows).log();
}

TEST(Scores, HandValues) {
  const Tensor logits = logits_of({{0.7, 0.3}, {0.4, 0.6}, {0.9, 0.1}, {0.2, 0.8}}), labels = torch::tensor({0, 0, 0, 1}, at::kLong);
  const Scores scores = score_classifier(logits, labels, logits_of({{0.7, 0.3}, {0.7, 0.3}, {0.7, 0.3}, {0.7, 0.3}}), 10);
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.75);
  EXPECT_NEAR(scores.nll, -(std::log(0.7) + std::log(0.4) + std::log(0.9) + std::log(0.8)) / 4, 1e-12);
  EXPECT_NEAR(scores.ece, (0.3 + 0.6 + 0.1 + 0.2) / 4, 1e-12);
  EXPECT_DOUBLE_EQ(scores.agreement, 0.5);
  // By falling confidence 0.9 right, 0.8 right, 0.7 right, 0.6 wrong: risks 0, 0, 0, 1/4.
  EXPECT_NEAR(scores.aurc, 0.0625, 1e-12);
  EXPECT_NEAR(scores.eaurc, 0, 1e-12);
}

TEST(Scores, UnlabelledRowsDoNotCount) {
  const Tensor logits = logits_of({{0.7, 0.3}, {0.4, 0.6}}), labels = torch::tensor({-1, 1}, at::kLong);
  const Scores scores = score_classifier(logits, labels, logits_of({{0.9, 0.1}, {0.9, 0.1}}));
  EXPECT_DOUBLE_EQ(scores.accuracy, 1);
  EXPECT_DOUBLE_EQ(scores.agreement, 0);
  EXPECT_THROW(score_classifier(logits, at::full({2}, -1, at::kLong)), DataError);
  EXPECT_THROW(score_classifier(logits, torch::tensor({0, 2}, at::kLong)), DataError);
}

TEST(Calibration, BinsAreOpenBelowAndClosedAbove) {
  const auto bins = reliability(logits_of({{0.5, 0.5}, {0.75, 0.25}, {0.76, 0.24}}), torch::tensor({0, 0, 1}, at::kLong), 4);
  ASSERT_EQ(bins.size(), 4u);
  EXPECT_EQ(bins[1].count, 1);  // 0.5 belongs to (0.25, 0.5]
  EXPECT_EQ(bins[2].count, 1);  // 0.75 to (0.5, 0.75]
  EXPECT_EQ(bins[3].count, 1);
  EXPECT_DOUBLE_EQ(bins[3].accuracy, 0);
  EXPECT_NEAR(bins[3].confidence, 0.76, 1e-12);
}

TEST(Calibration, IsZeroForHonestConfidence) {
  // Ten rows at confidence 0.8, eight of them right.
  const Tensor probabilities = torch::tensor({0.8, 0.2}, at::kDouble).repeat({10, 1});
  Tensor labels = at::zeros({10}, at::kLong);
  labels.slice(0, 0, 2).fill_(1);
  EXPECT_NEAR(expected_calibration_error(probabilities, labels), 0, 1e-12);
  EXPECT_NEAR(expected_calibration_error(probabilities, at::zeros({10}, at::kLong)), 0.2, 1e-12);
}

TEST(RiskCoverage, HandValues) {
  // Wrong, right, wrong, right by falling confidence: risks 1, 1/2, 2/3, 1/2; the best order gives 0, 0, 1/3, 1/2.
  const auto risk = risk_coverage(torch::tensor({0.6, 0.9, 0.8, 0.7}), torch::tensor({1, 0, 1, 0}));
  EXPECT_NEAR(risk.area, (1 + 0.5 + 2.0 / 3 + 0.5) / 4, 1e-12);
  EXPECT_NEAR(risk.area - risk.excess, (1.0 / 3 + 0.5) / 4, 1e-12);
}

TEST(RiskCoverage, TiesCountAsIfInRandomOrder) {
  const auto risk = risk_coverage(torch::tensor({0.5, 0.5, 0.5, 0.5}), torch::tensor({1, 0, 0, 1}));
  EXPECT_NEAR(risk.area, 0.5, 1e-12);
  const auto swapped = risk_coverage(torch::tensor({0.5, 0.5, 0.5, 0.5}), torch::tensor({0, 1, 1, 0}));
  EXPECT_DOUBLE_EQ(risk.area, swapped.area);
}

TEST(ConfusionMatrix, RowsAreTrueClasses) {
  const Tensor logits = logits_of({{0.7, 0.3}, {0.2, 0.8}, {0.4, 0.6}}), labels = torch::tensor({0, 0, 1}, at::kLong);
  EXPECT_TRUE(confusion_matrix(logits, labels, 2).equal(torch::tensor({{1, 1}, {0, 1}}, at::kLong)));
}

TEST(BestTemperature, UndoesAKnownScale) {
  // 3 of 4 right at one confidence: the best temperature makes that confidence 0.75.
  const Tensor logits = torch::tensor({{6.0, 0.0}}, at::kDouble).repeat({4, 1}), labels = torch::tensor({0, 0, 0, 1}, at::kLong);
  EXPECT_NEAR(best_temperature(logits, labels), 6 / std::log(3.0), 1e-4);
}

}  // namespace
}  // namespace retort

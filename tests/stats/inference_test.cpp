#include "retort/stats/inference.h"

#include <cmath>

#include "tests/support.h"

namespace retort {
namespace {

TEST(Inference, TailsAndQuantilesOfTables) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-10);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232306167813, 1e-9);
  EXPECT_NEAR(normal_tail(1.959963984540054), 0.05, 1e-12);
  EXPECT_NEAR(student_tail(2.228138851964939, 10), 0.05, 1e-9);  // two-sided 5 % at 10 degrees of freedom
  EXPECT_NEAR(student_tail(12.706204736432095, 1), 0.05, 1e-9);
  EXPECT_NEAR(student_tail(0, 7), 1, 1e-12);
}

TEST(Inference, CorrelationByHand) {
  const CorrelationTest test = correlation_test({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5});
  EXPECT_NEAR(test.pearson, 0.8, 1e-12);
  EXPECT_NEAR(test.spearman, 0.8, 1e-12);
  EXPECT_NEAR(test.kendall, 0.6, 1e-12);
  EXPECT_NEAR(test.p, 0.104088, 1e-6);  // t = 0.8 sqrt(3 / 0.36) with 3 degrees of freedom
  EXPECT_NEAR(test.low, std::tanh(std::atanh(0.8) - 1.959963984540054 / std::sqrt(2.0)), 1e-12);
  EXPECT_THROW(correlation_test({1, 2, 3}, {1, 2, 3}), ConfigError);
  EXPECT_THROW(correlation_test({1, 2, 3, 4}, {1, 2, 3}), ConfigError);
}

TEST(Inference, BenjaminiHochbergTakesTheLongestRun) {
  // Limits at 0.05: 0.01, 0.02, 0.03, 0.04, 0.05; the fourth passes, so the third does too though it is above its own.
  EXPECT_EQ(benjamini_hochberg({0.005, 0.9, 0.039, 0.035, 0.011}, 0.05), (std::vector<bool>{true, false, true, true, true}));
  EXPECT_EQ(benjamini_hochberg({0.5, 0.9}, 0.05), (std::vector<bool>{false, false}));
  EXPECT_TRUE(benjamini_hochberg({}, 0.05).empty());
}

TEST(Inference, LittleBags) {
  // Identical inner models: the variance between the bags' values 1 and 3 about 2.
  EXPECT_DOUBLE_EQ(little_bags({{1, 1, 1}, {3, 3, 3}}).variance, 1);
  EXPECT_DOUBLE_EQ(little_bags({{1, 1, 1}, {3, 3, 3}}).mean, 2);
  // Bags that agree in the mean, inner models that do not: nothing is left.
  EXPECT_DOUBLE_EQ(little_bags({{1, 3}, {1, 3}}).variance, 0);
  // Between 1; within ((1)+(1)+(1)+(1)) / (2 (2-1)) = 2, of which a half.
  EXPECT_DOUBLE_EQ(little_bags({{0, 2}, {2, 4}}).variance, 0);
  EXPECT_DOUBLE_EQ(little_bags({{0, 2}, {4, 6}}).variance, 4 - 1);
  EXPECT_DOUBLE_EQ(little_bags({{0, 2}, {4, 6}}).inner, 1);
  EXPECT_THROW(little_bags({}), ConfigError);
  EXPECT_THROW(little_bags({{1, 2}, {1}}), ConfigError);
}

}  // namespace
}  // namespace retort

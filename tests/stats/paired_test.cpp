#include "retort/stats/paired.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

TEST(Paired, MeanAndDeviation) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3);
  EXPECT_DOUBLE_EQ(standard_deviation({1, 2, 6}), std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(standard_deviation({4}), 0);
  EXPECT_THROW(mean({}), ConfigError);
}

TEST(Paired, SignTest) {
  EXPECT_DOUBLE_EQ(sign_test({1, 2, 3, 4, 5}), 0.0625);
  EXPECT_DOUBLE_EQ(sign_test({1, 2, 3, 4, -5}), 0.375);
  EXPECT_DOUBLE_EQ(sign_test({1, -1, 0}), 1);
  EXPECT_DOUBLE_EQ(sign_test({0, 0}), 1);
}

TEST(Paired, BootstrapBracketsTheMeanAndRepeats) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8};
  const Interval first = bootstrap_mean(values), again = bootstrap_mean(values);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  // The bootstrap mean has deviation sqrt(5.25 / 8) = 0.81; 95% of it is about 4.5 -+ 1.58.
  EXPECT_NEAR(first.low, 2.92, 0.15);
  EXPECT_NEAR(first.high, 6.08, 0.15);
  const Interval narrow = bootstrap_mean(values, 0.5);
  EXPECT_GT(narrow.low, first.low);
  EXPECT_LT(narrow.high, first.high);
  const Interval point = bootstrap_mean({3, 3, 3});
  EXPECT_EQ(point.low, 3);
  EXPECT_EQ(point.high, 3);
}

TEST(Paired, ComparesSeedBySeed) {
  const PairedComparison compared = compare_paired({2, 4, 6}, {1, 2, 3});
  EXPECT_DOUBLE_EQ(compared.mean_difference, 2);
  EXPECT_DOUBLE_EQ(compared.deviation, 1);
  EXPECT_DOUBLE_EQ(compared.sign_probability, 0.25);
  EXPECT_THROW(compare_paired({1, 2}, {1}), ConfigError);
}

}  // namespace
}  // namespace retort

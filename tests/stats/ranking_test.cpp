#include "retort/stats/ranking.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

TEST(Ranks, TiesShareTheMean) { EXPECT_EQ(average_ranks({3, 1, 3, 2}), (std::vector<double>{3.5, 1, 3.5, 2})); }

TEST(Correlation, HandValues) {
  EXPECT_NEAR(pearson({1, 2, 3}, {2, 4, 6}), 1, 1e-12);
  EXPECT_NEAR(pearson({1, 2, 3}, {1, 3, 2}), 0.5, 1e-12);
  EXPECT_EQ(pearson({1, 1, 1}, {1, 3, 2}), 0);
  EXPECT_NEAR(spearman({1, 2, 3, 4}, {1, 10, 100, 1000}), 1, 1e-12);
  EXPECT_NEAR(spearman({1, 2, 3}, {1, 2, 2}), std::sqrt(0.75), 1e-12);
  EXPECT_NEAR(kendall_tau({1, 2, 3}, {1, 3, 2}), 1.0 / 3, 1e-12);
  EXPECT_NEAR(kendall_tau({1, 2, 3}, {1, 2, 2}), 2 / std::sqrt(6.0), 1e-12);
}

TEST(RocAuc, HandValues) {
  EXPECT_DOUBLE_EQ(roc_auc({0.1, 0.4, 0.35, 0.8}, {false, false, true, true}), 0.75);
  EXPECT_DOUBLE_EQ(roc_auc({1, 1, 1}, {true, false, true}), 0.5);
  EXPECT_THROW(roc_auc({1, 2}, {true, true}), DataError);
}

TEST(Ranking, RefusesListsThatDoNotFit) {
  EXPECT_THROW(pearson({1, 2}, {1, 2, 3}), ConfigError);
  EXPECT_THROW(spearman({1}, {1}), ConfigError);
}

}  // namespace
}  // namespace retort

#include "retort/stats/isotonic.h"

#include "tests/support.h"

namespace retort {
namespace {

using Numbers = std::vector<double>;

TEST(Isotonic, PoolsWhatFalls) {
  EXPECT_EQ(isotonic_fit({1, 3, 2, 4}, {1, 1, 1, 1}), (Numbers{1, 2.5, 2.5, 4}));
  EXPECT_EQ(isotonic_fit({3, 1}, {1, 3}), (Numbers{1.5, 1.5}));
  EXPECT_EQ(isotonic_fit({5, 4, 3, 2}, {1, 1, 1, 1}), (Numbers{3.5, 3.5, 3.5, 3.5}));
  EXPECT_EQ(isotonic_fit({1, 2, 3}, {1, 1, 1}), (Numbers{1, 2, 3}));
}

TEST(Isotonic, LinesBetweenPointsAndFlatBeyond) {
  EXPECT_DOUBLE_EQ(interpolated(1.5, {1, 2, 4}, {10, 20, 0}), 15);
  EXPECT_DOUBLE_EQ(interpolated(3, {1, 2, 4}, {10, 20, 0}), 10);
  EXPECT_DOUBLE_EQ(interpolated(-1, {1, 2, 4}, {10, 20, 0}), 10);
  EXPECT_DOUBLE_EQ(interpolated(9, {1, 2, 4}, {10, 20, 0}), 0);
}

TEST(Isotonic, RefusesBadInput) {
  EXPECT_THROW(isotonic_fit({1, 2}, {1}), ConfigError);
  EXPECT_THROW(isotonic_fit({1, 2}, {1, 0}), ConfigError);
}

}  // namespace
}  // namespace retort

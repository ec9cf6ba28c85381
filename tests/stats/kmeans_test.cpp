#include "retort/stats/kmeans.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

TEST(Kmeans, FindsWhatLiesApart) {
  const Tensor rows = at::tensor({0.0, 0.0, 0.0, 1.0, 10.0, 0.0, 10.0, 1.0, -9.0, 5.0}, at::kDouble).view({5, 2});
  const Clusters found = kmeans(rows, 3, Seed(1));
  const auto member = [&](int64_t row) { return found.members[row].item<int64_t>(); };
  EXPECT_EQ(member(0), member(1));
  EXPECT_EQ(member(2), member(3));
  EXPECT_EQ((std::set<int64_t>{member(0), member(2), member(4)}).size(), 3u);
  EXPECT_TRUE(found.centres[member(2)].allclose(at::tensor({10.0, 0.5}, at::kDouble)));
  EXPECT_NEAR(found.inertia, 4 * 0.25 / 5, 1e-12);
}

TEST(Kmeans, HasACentreForEveryRowAndForEqualRows) {
  const Tensor rows = at::tensor({1.0, 2.0, 4.0}, at::kDouble).view({3, 1});
  EXPECT_NEAR(kmeans(rows, 3, Seed(2)).inertia, 0, 1e-12);
  EXPECT_NEAR(kmeans(at::ones({6, 2}, at::kDouble), 2, Seed(3)).inertia, 0, 1e-12);
}

TEST(Kmeans, IsTheSeedsOwnAndRefusesMoreCentresThanRows) {
  const Tensor rows = at::empty({50, 3}, at::kDouble).normal_(0, 1, Seed(4).generator());
  EXPECT_TRUE(kmeans(rows, 4, Seed(5)).centres.equal(kmeans(rows, 4, Seed(5)).centres));
  EXPECT_THROW(kmeans(rows, 51, Seed(5)), ConfigError);
}

}  // namespace
}  // namespace retort

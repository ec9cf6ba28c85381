#include "retort/search/bfgs.h"

#include <gtest/gtest.h>

namespace retort::search {
namespace {

TEST(Bfgs, SolvesAQuadratic) {
  const Tensor a = at::tensor({3.0, 1.0, 1.0, 2.0}, at::kDouble).view({2, 2}), b = at::tensor({1.0, -1.0}, at::kDouble);
  const Minimum found = minimise([&](const Tensor& x) { return 0.5 * x.dot(a.mv(x)) - b.dot(x); }, at::zeros({2}, at::kDouble), 50, 1e-9);
  EXPECT_NEAR(found.at[0].item<double>(), 0.6, 1e-8);  // A x = b
  EXPECT_NEAR(found.at[1].item<double>(), -0.8, 1e-8);
  EXPECT_NEAR(found.value, -0.7, 1e-12);
}

TEST(Bfgs, FollowsRosenbrocksValley) {
  const auto f = [](const Tensor& x) { return (1 - x[0]).square() + 100 * (x[1] - x[0].square()).square(); };
  const Minimum found = minimise(f, at::tensor({-1.2, 1.0}, at::kDouble), 200, 1e-8);
  EXPECT_NEAR(found.at[0].item<double>(), 1, 1e-5);
  EXPECT_NEAR(found.at[1].item<double>(), 1, 1e-5);
  EXPECT_LT(found.rounds, 100);
}

TEST(Bfgs, StepsBackFromWhereThereIsNoValue) {
  const Minimum found = minimise([](const Tensor& x) { return x[0] - x[0].log(); }, at::tensor({0.01}, at::kDouble), 100, 1e-9);
  EXPECT_NEAR(found.at[0].item<double>(), 1, 1e-6);
  const Minimum nowhere = minimise([](const Tensor& x) { return x[0].log(); }, at::tensor({-1.0}, at::kDouble));
  EXPECT_EQ(nowhere.at[0].item<double>(), -1);
}

}  // namespace
}  // namespace retort::search

#include "retort/search/bfgs.h"

#include <gtest/gtest.h>

namespace retort::search {
namespace {

TEST(Bfgs, SolvesAQuadratic) {
  const Tensor a = at::tensor({3.0, 1.0, 1.0, 2.0}, at::kDouble).view({2, 2}), b = at::tensor({1.0, -1.0}, at::kDouble);
  const auto f = [&](const Tensor& x, Tensor& gradient) {
    gradient = a.mv(x) - b;
    return (0.5 * x.dot(a.mv(x)) - b.dot(x)).item<double>();
  };
  const Minimum found = minimise(f, at::zeros({2}, at::kDouble), 50, 1e-9);
  EXPECT_NEAR(found.at[0].item<double>(), 0.6, 1e-8);  // A x = b
  EXPECT_NEAR(found.at[1].item<double>(), -0.8, 1e-8);
  EXPECT_NEAR(found.value, -0.7, 1e-12);
}

TEST(Bfgs, FollowsRosenbrocksValley) {
  const auto f = [](const Tensor& at, Tensor& gradient) {
    const double x = at[0].item<double>(), y = at[1].item<double>(), lift = y - x * x;
    gradient = at::tensor({-2 * (1 - x) - 400 * x * lift, 200 * lift}, at::kDouble);
    return (1 - x) * (1 - x) + 100 * lift * lift;
  };
  const Minimum found = minimise(f, at::tensor({-1.2, 1.0}, at::kDouble), 200, 1e-8);
  EXPECT_NEAR(found.at[0].item<double>(), 1, 1e-5);
  EXPECT_NEAR(found.at[1].item<double>(), 1, 1e-5);
  EXPECT_LT(found.rounds, 100);
}

TEST(Bfgs, StepsBackFromWhereThereIsNoValue) {
  const auto f = [](const Tensor& at, Tensor& gradient) {
    gradient = 1 - 1 / at;
    return at[0].item<double>() - std::log(at[0].item<double>());
  };
  const Minimum found = minimise(f, at::tensor({0.01}, at::kDouble), 100, 1e-9);
  EXPECT_NEAR(found.at[0].item<double>(), 1, 1e-6);
  const Minimum nowhere = minimise(f, at::tensor({-1.0}, at::kDouble));
  EXPECT_EQ(nowhere.at[0].item<double>(), -1);
}

}  // namespace
}  // namespace retort::search

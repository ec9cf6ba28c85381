#include "retort/surrogates/fidelity.h"

#include <cmath>

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(Fidelity, OfTheModelItselfIsOne) {
  const Tensor p = at::tensor({0.1, 0.4, 0.9}, at::kDouble), c = at::tensor({0, 1, 1}, at::kLong);
  EXPECT_EQ(r_squared(p, p), 1);
  EXPECT_EQ(agreement_share(c, c), 1);
  EXPECT_EQ(cohen_kappa(c, c), 1);
}

TEST(Fidelity, OfTheMeanIsNothing) {
  const Tensor p = at::tensor({0.0, 1.0}, at::kDouble);
  EXPECT_EQ(r_squared(at::full({2}, 0.5, at::kDouble), p), 0);
  EXPECT_TRUE(std::isinf(r_squared(p, at::full({2}, 0.5, at::kDouble))));
}

TEST(Fidelity, KappaTakesChanceAway) {
  // 3 of 4 agree; chance is (1/4 * 2/4) + (3/4 * 2/4) = 1/2.
  EXPECT_DOUBLE_EQ(cohen_kappa(at::tensor({0, 1, 1, 1}, at::kLong), at::tensor({0, 0, 1, 1}, at::kLong)), 0.5);
}

TEST(Fidelity, ScoresAgainstTheTruthByHand) {
  const Tensor guess = at::tensor({0, 1, 1, 1}, at::kLong), truth = at::tensor({0, 0, 1, 1}, at::kLong);
  EXPECT_NEAR(macro_f1(guess, truth), (2.0 / 3 + 4.0 / 5) / 2, 1e-12);
  EXPECT_NEAR(matthews(guess, truth), 2 / std::sqrt(12.0), 1e-12);
  EXPECT_EQ(matthews(at::ones({4}, at::kLong), truth), 0);
}

}  // namespace
}  // namespace retort

#include "retort/losses/adversarial.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort::losses {
namespace {

TEST(GradientReversal, TurnsTheGradientAndKeepsTheValues) {
  const Tensor x = at::tensor({1.0, -2.0}, at::kDouble).requires_grad_(true);
  const Tensor y = gradient_reversed(x, 0.5);
  EXPECT_TRUE(y.equal(x));
  (y * at::tensor({3.0, 4.0}, at::kDouble)).sum().backward();
  EXPECT_TRUE(x.grad().equal(at::tensor({-1.5, -2.0}, at::kDouble)));
}

TEST(DiscriminatorLoss, HandValues) {
  // Four answers a side at 0: log 2 each. Student rows should answer (1, 0): sure ones cost next to nothing.
  EXPECT_NEAR(discriminator_loss(at::zeros({2, 2}), at::zeros({2, 2})).item<double>(), std::log(2.0), 1e-7);
  const Tensor first = at::tensor({30.0, -30.0}, at::kDouble).view({1, 2}), second = -first;
  EXPECT_NEAR(discriminator_loss(first, second).item<double>(), 0, 1e-12);
  EXPECT_NEAR(discriminator_loss(second, first).item<double>(), 30, 1e-9);
  // One answer wrong of four, log(1 + e) instead of log(1 + 1/e).
  const Tensor one = at::tensor({-1.0, -1.0}, at::kDouble).view({1, 2}), other = at::tensor({-1.0, 1.0}, at::kDouble).view({1, 2});
  EXPECT_NEAR(discriminator_loss(one, other).item<double>(), (std::log1p(std::exp(1.0)) + 3 * std::log1p(std::exp(-1.0))) / 4, 1e-12);
  EXPECT_THROW(discriminator_loss(at::zeros({2, 2}), at::zeros({3, 2})), ConfigError);
}

}  // namespace
}  // namespace retort::losses

#include "retort/train/gradient_noise.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(GradientNoise, ByHand) {
  GradientNoise noise;
  noise.add({at::tensor({1.0, 3.0}), at::tensor({0.0})});
  EXPECT_EQ(noise.value(), 0);
  noise.add({at::tensor({3.0, 3.0}), at::tensor({4.0})});
  // Means 2, 3, 2; variances 2, 0, 8.
  EXPECT_NEAR(noise.variance(), 10, 1e-12);
  EXPECT_NEAR(noise.mean_square(), 17, 1e-12);
  EXPECT_NEAR(noise.value(), 10.0 / 17, 1e-12);
}

TEST(GradientNoise, EqualGradientsHaveNone) {
  GradientNoise noise;
  for (int i = 0; i < 3; ++i) noise.add({at::tensor({1.0, -2.0})});
  EXPECT_NEAR(noise.value(), 0, 1e-15);
}

}  // namespace
}  // namespace retort

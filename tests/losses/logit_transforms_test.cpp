#include "retort/losses/logit_transforms.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/base/random.h"

namespace retort::losses {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }

TEST(LogitTransforms, ByHand) {
  const Tensor z = at::tensor({1.0, -1.0, 3.0, 1.0}, at::kDouble).view({2, 2});
  EXPECT_TRUE(standardised_by_class(z, 0).allclose(at::tensor({-1.0, -1.0, 1.0, 1.0}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(standardised_by_sample(z, 0).allclose(at::tensor({1.0, -1.0, 1.0, -1.0}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(
      standardised_by_class(z, 3).allclose(at::tensor({-0.5, -0.5, 0.5, 0.5}, at::kDouble).view({2, 2})));  // eps stands inside the root
}

TEST(LogitTransforms, EveryClassHasMeanZeroAndUnitBiasedVariance) {
  const Tensor h = standardised_by_class(draws({16, 5}, 1));
  EXPECT_LT(h.mean(0).abs().max().item<double>(), 1e-10);
  EXPECT_LT((h.var(at::IntArrayRef{0}, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-3);
}

TEST(LogitTransforms, ShiftAndPositiveScaleOfAClassDoNotMatter) {
  const Tensor z = draws({16, 5}, 2), shift = draws({5}, 3), scale = draws({5}, 4).abs() + 0.5;
  EXPECT_TRUE(standardised_by_class(z * scale + shift).allclose(standardised_by_class(z), 1e-4, 1e-4));
}

TEST(LogitTransforms, OneRowBecomesZeroWithoutGradient) {
  const Tensor z = draws({1, 5}, 5).requires_grad_(true), h = standardised_by_class(z);
  EXPECT_EQ(h.abs().max().item<double>(), 0);
  h.square().sum().backward();
  EXPECT_EQ(z.grad().abs().max().item<double>(), 0);
}

TEST(LogitTransforms, RefuseWhatIsNoTableOfLogits) { EXPECT_THROW(standardised_by_class(draws({3}, 1)), ConfigError); }

}  // namespace
}  // namespace retort::losses

#include "retort/train/discriminator.h"

#include "tests/support.h"

namespace retort {
namespace {

TEST(Discriminator, HasThreeLayersEachNarrower) {
  const Net net = logit_discriminator(10, 2, true, Seed(1));
  EXPECT_EQ(net.tap_shape("narrow1"), (std::vector<int64_t>{5}));
  EXPECT_EQ(net.tap_shape("narrow2"), (std::vector<int64_t>{2}));
  EXPECT_EQ(net.param_count(), 10 * 5 + 5 + 5 * 2 + 2 + 2 * 2 + 2);
  EXPECT_GE(net.forward(at::randn({20, 10})).min().item<double>(), 0);
  EXPECT_LT(logit_discriminator(10, 2, false, Seed(1)).forward(at::randn({50, 10})).min().item<double>(), 0);
}

TEST(Discriminator, NeedsEnoughClasses) {
  const auto refusal = caught<ConfigError>([] { logit_discriminator(10, 8, true, Seed(1)); });
  EXPECT_EQ(refusal.line, "a discriminator that shrinks 10 classes by 8 twice has no layer left: classes must be at least 64");
  EXPECT_EQ(refusal.hint, "take a shrink of at most 3");
}

}  // namespace
}  // namespace retort

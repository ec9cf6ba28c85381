#include "retort/train/running_standardiser.h"

#include "retort/base/random.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape).normal_(3, 2, Seed(seed).generator()); }
double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(RunningStandardiser, UsesWhatItKnewBefore) {
  RunningStandardiser running(2, /*eps=*/0);
  const Tensor x = at::tensor({1.0f, 10.0f, 3.0f, 30.0f}).view({2, 2});
  EXPECT_EQ(distance(running.normalised(x), x), 0);  // mean 0, deviation 1
  running.update(x, 1);
  EXPECT_TRUE(running.mean().allclose(at::tensor({2.0f, 20.0f})));
  EXPECT_TRUE(running.deviation().allclose(at::tensor({std::sqrt(2.0f), std::sqrt(200.0f)})));
  running.update(x + 4, 0.25);
  EXPECT_TRUE(running.mean().allclose(at::tensor({3.0f, 21.0f})));
}

TEST(RunningStandardiser, TheScaleOfATeacherCancels) {
  RunningStandardiser one(5), ten(5);
  for (uint64_t i = 0; i < 20; ++i) {
    const Tensor x = draws({30, 4, 5}, i);
    one.update(x, i == 0 ? 1 : 0.1);
    ten.update(10 * x, i == 0 ? 1 : 0.1);
  }
  const Tensor x = draws({30, 4, 5}, 99);
  EXPECT_LT(distance(one.normalised(x), ten.normalised(10 * x)), 1e-4);
}

TEST(RunningStandardiser, DeadChannelsDoNotExplode) {
  Tensor x = draws({50, 2}, 1);
  x.select(1, 0).fill_(0);
  RunningStandardiser free(2), floored(2, 1e-6, 0.001);
  free.update(x, 1);
  floored.update(x, 1);
  const Tensor later = draws({50, 2}, 2);
  EXPECT_GT(free.normalised(later).abs().max().item<double>(), 1e5);
  EXPECT_LT(floored.normalised(later).abs().max().item<double>(), 1e4);
}

TEST(RunningStandardiser, KeepsItsState) {
  RunningStandardiser a(3), b(3);
  a.update(draws({9, 3}, 1), 0.5);
  b.load(a.state());
  EXPECT_EQ(distance(a.normalised(draws({4, 3}, 2)), b.normalised(draws({4, 3}, 2))), 0);
  EXPECT_EQ(caught<ConfigError>([&] { a.update(draws({1, 3}, 1), 0.5); }).line, "standardising features: 1 row has no spread");
}

}  // namespace
}  // namespace retort

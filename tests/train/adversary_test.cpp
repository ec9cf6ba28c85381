#include "retort/train/adversary.h"

#include "retort/nets/net.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(Adversary, LearnsToTellAndPassesGradientsToTheImagesOnly) {
  OptimiserKnobs settings;
  settings.lr = 0.05;
  Adversary opponent(make_net("mlp-8", {2}, 1, Seed(1)), settings);
  const Tensor real = at::ones({16, 2});
  Tensor made = -at::ones({16, 2});
  made.requires_grad_(true);
  const double first = opponent.learn(real, made).item<double>();
  double last = first;
  for (int i = 0; i < 40; ++i) last = opponent.learn(real, made).item<double>();
  EXPECT_NEAR(first, 2 * std::log(2.0), 1);
  EXPECT_LT(last, 0.2);
  EXPECT_FALSE(made.grad().defined());
  const Tensor verdict = opponent.verdict(made);
  EXPECT_EQ(verdict.sizes().vec(), std::vector<int64_t>{16});
  EXPECT_LT(verdict.max().item<double>(), 0);
  generator_loss(verdict).backward();
  EXPECT_GT(made.grad().abs().sum().item<double>(), 0);
  for (const Tensor& param : opponent.net().params()) EXPECT_FALSE(param.grad().defined());
}

TEST(Adversary, GoesOnFromItsState) {
  const OptimiserKnobs settings;
  Adversary one(make_net("mlp-8", {2}, 1, Seed(1)), settings), other(make_net("mlp-8", {2}, 1, Seed(2)), settings);
  const Tensor real = at::randn({8, 2}), made = at::randn({8, 2});
  one.learn(real, made);
  other.load(one.state());
  one.learn(real, made);
  other.learn(real, made);
  EXPECT_TRUE(at::equal(one.verdict(made), other.verdict(made)));
}

}  // namespace
}  // namespace retort

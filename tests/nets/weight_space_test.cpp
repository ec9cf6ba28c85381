#include "retort/nets/weight_space.h"

#include "tests/support.h"

namespace retort {
namespace {

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(WeightedSum, OfParameters) {
  const Net a = make_net("mlp-4", {3}, 2, Seed(1)), b = make_net("mlp-4", {3}, 2, Seed(2)), sum = weighted_sum({{0.25, &a}, {0.75, &b}});
  for (size_t i = 0; i < a.params().size(); ++i) EXPECT_LT(distance(sum.params()[i], 0.25 * a.params()[i] + 0.75 * b.params()[i]), 1e-6);
  const Net other = make_net("mlp-4-4", {3}, 2, Seed(2));
  EXPECT_EQ(caught<ConfigError>([&] { weighted_sum({{0.5, &a}, {0.5, &other}}); }).line, "weighted_sum: nets of different architectures");
}

TEST(RefitStatistics, BelongToTheInputs) {
  Net net = make_net("mlp-5-bn", {3}, 2, Seed(1));
  const Tensor x = at::empty({300, 3}).normal_(4, 2, Seed(3).generator());
  const Tensor weight = net.params()[0].clone(), before = at::linear(x, weight);
  refit_statistics(net, x, 300);
  EXPECT_FALSE(net.training());
  EXPECT_EQ(distance(net.params()[0], weight), 0);
  EXPECT_LT(distance(net.buffers()[0], before.mean(0)), 0.02);
}

}  // namespace
}  // namespace retort

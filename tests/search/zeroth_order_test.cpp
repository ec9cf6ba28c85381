#include "retort/search/zeroth_order.h"

#include "retort/base/random.h"
#include "tests/support.h"

namespace retort::search {
namespace {

TEST(ZerothOrder, AlongTheAxesALinearLossIsExact) {
  const Tensor a = at::tensor({1.0f, -2.0f, 0.5f}), x = at::zeros({2, 3});
  Tensor axes = at::eye(3).repeat_interleave(2, 0);  // row k*b + i
  int64_t evaluations = 0;
  const auto loss = [&](const Tensor& rows) {
    evaluations += rows.size(0);
    return at::mv(rows, a);
  };
  const auto [gradient, here] = zeroth_order_gradient(x, 7 * axes, 0.25, loss);
  EXPECT_TRUE(at::allclose(gradient, a.expand({2, 3})));
  EXPECT_EQ(here.abs().max().item<double>(), 0);
  EXPECT_EQ(evaluations, (3 + 1) * 2);
  evaluations = 0;
  zeroth_order_gradient(x, axes, 0.25, loss, /*antithetic=*/true);
  EXPECT_EQ(evaluations, (2 * 3 + 1) * 2);
}

TEST(ZerothOrder, DirectionsHaveLengthOne) {
  const Tensor like = at::zeros({4, 2, 3, 3}), u = unit_directions(40, like, Seed(1).generator());
  EXPECT_EQ(u.sizes().vec(), (std::vector<int64_t>{40, 2, 3, 3}));
  EXPECT_LT((u.flatten(1).norm(2, {1}) - 1).abs().max().item<double>(), 1e-6);
}

TEST(ZerothOrder, ManyDirectionsFindTheSlopeAndTwoWaysFindItBetter) {
  const Tensor x = at::tensor({0.5f, -1.0f, 2.0f, 0.0f}).view({1, 4}), u = unit_directions(4000, x, Seed(2).generator());
  const auto square = [](const Tensor& rows) { return rows.square().sum(1); };
  const double one = (zeroth_order_gradient(x, u, 0.5, square).gradient - 2 * x).norm().item<double>();
  const double two = (zeroth_order_gradient(x, u, 0.5, square, true).gradient - 2 * x).norm().item<double>();
  EXPECT_LT(one, 0.4);
  EXPECT_LE(two, one);
}

TEST(ZerothOrder, RefusesWhatIsNoStep) {
  const auto loss = [](const Tensor& rows) { return rows.sum(1); };
  EXPECT_EQ(caught<ConfigError>([&] {
              zeroth_order_gradient(at::zeros({2, 3}), at::ones({2, 3}), 0, loss);
            }).line,
            "zeroth-order gradient: mu = 0, expected above 0");
  caught<ConfigError>([&] { zeroth_order_gradient(at::zeros({2, 3}), at::ones({3, 3}), 0.1, loss); });
  caught<ConfigError>([&] { zeroth_order_gradient(at::zeros({2, 3}), at::ones({0, 3}), 0.1, loss); });
}

}  // namespace
}  // namespace retort::search

#include "retort/stats/kernel_ridge.h"

#include "retort/base/random.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor column(std::vector<double> values) { return at::tensor(values, at::kDouble).unsqueeze(1); }

TEST(Gram, ByHand) {
  const Tensor a = column({0, 1}), b = column({1, 3});
  EXPECT_TRUE(
      gram({"rbf", 0.5}, a, b).allclose(at::tensor({std::exp(-0.5), std::exp(-4.5), 1.0, std::exp(-2.0)}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(
      gram({"laplace", 0.5}, a, b).allclose(at::tensor({std::exp(-0.5), std::exp(-1.5), 1.0, std::exp(-1.0)}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(gram({"linear", 0.5}, a, b).allclose(at::tensor({0.0, 0.0, 0.5, 1.5}, at::kDouble).view({2, 2})));
}

TEST(Gram, RefusesWhatIsNoKernel) {
  EXPECT_EQ(caught<ConfigError>([] {
              gram({"rbf", 0}, column({0}), column({0}));
            }).line,
            "kernel: gamma: expected a number above 0, found 0");
  EXPECT_EQ(caught<ConfigError>([] { gram({"cosine", 1}, column({0}), column({0})); }).hint, "kernels are rbf, laplace, linear");
  EXPECT_EQ(caught<ConfigError>([] {
              gram({}, at::zeros({2, 3}), at::zeros({2, 4}));
            }).line,
            "kernel: expected two matrices of rows of one width, received [2, 3] and [2, 4]");
}

TEST(KernelRidge, OnePointByHand) {
  // K = 3, lambda = 1: c = y / 4, fitted 3 y / 4.
  const KernelRidge ridge(at::full({1, 1}, 3.0), 1);
  EXPECT_DOUBLE_EQ(ridge.coefficients(column({8})).item<double>(), 2);
  EXPECT_DOUBLE_EQ(ridge.fitted(column({8})).item<double>(), 6);
  EXPECT_DOUBLE_EQ(ridge.eigenvalues().item<double>(), 3);
}

TEST(KernelRidge, ItsSpectrumIsItsSmoother) {
  const Tensor x = at::linspace(0, 1, 7, at::kDouble).unsqueeze(1), y = at::empty({7, 2}, at::kDouble).normal_(0, 1, Seed(1).generator());
  const KernelRidge ridge(gram({"rbf", 20}, x, x), 0.1);
  const Tensor d = ridge.eigenvalues();
  EXPECT_TRUE((d.slice(0, 0, 6) >= d.slice(0, 1, 7)).all().item<bool>());
  EXPECT_LT((ridge.filtered(d / (d + 0.1), y) - ridge.fitted(y)).abs().max().item<double>(), 1e-12);
  EXPECT_LT((ridge.filtered(1 / (d + 0.1), y) - ridge.coefficients(y)).abs().max().item<double>(), 1e-11);
}

TEST(KernelRidge, RefusesBadMatrices) {
  const auto line = [](const Tensor& gram, double lambda) { return caught<ConfigError>([&] { KernelRidge(gram, lambda); }).line; };
  EXPECT_EQ(line(at::eye(2), 0), "kernel ridge: lambda: expected a number above 0, found 0");
  EXPECT_EQ(line(at::eye(2), -1), "kernel ridge: lambda: expected a number above 0, found -1");
  EXPECT_EQ(line(at::ones({2, 3}), 1), "kernel ridge: expected a square matrix, received [2, 3]");
  EXPECT_EQ(line(at::tensor({1.0, 0.5, 0.2, 1.0}).view({2, 2}), 1),
            "kernel ridge: the kernel's matrix is not symmetric: entries differ by 0.3");
  EXPECT_EQ(line(at::tensor({1.0, 2.0, 2.0, 1.0}).view({2, 2}), 1),
            "kernel ridge: the kernel's matrix is indefinite: its smallest eigenvalue is -1");
  EXPECT_EQ(line(at::full({2, 2}, std::nan("")), 1), "kernel ridge: the kernel's matrix has entries that are not finite");
}

}  // namespace
}  // namespace retort

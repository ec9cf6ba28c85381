#include "retort/train/maml.h"

#include "tests/support.h"

namespace retort {
namespace {

// Two weights: inner loss a^2 b + sin b, outer loss a b^2 of the adapted weights.
Tensor inner(const Tensors& w) { return w[0].square() * w[1] + w[1].sin(); }
Tensor outer(const Tensors& w) { return w[0] * w[1].square(); }

double outer_at(double a, double b) {
  const Tensors w = adapted_for_use({at::full({}, a, at::kDouble), at::full({}, b, at::kDouble)}, inner, 3, 0.1);
  return outer(w).item<double>();
}

std::pair<double, double> slopes(bool second_order) {
  const Tensors w = {at::full({}, 0.7, at::kDouble).requires_grad_(true), at::full({}, -0.4, at::kDouble).requires_grad_(true)};
  outer(adapted(w, inner, 3, 0.1, second_order)).backward();
  return {w[0].grad().item<double>(), w[1].grad().item<double>()};
}

TEST(Maml, TheSecondOrderIsTheDifferenceQuotient) {
  const double h = 1e-5;
  const auto [a, b] = slopes(true);
  EXPECT_NEAR(a, (outer_at(0.7 + h, -0.4) - outer_at(0.7 - h, -0.4)) / (2 * h), 1e-3);
  EXPECT_NEAR(b, (outer_at(0.7, -0.4 + h) - outer_at(0.7, -0.4 - h)) / (2 * h), 1e-3);
  const auto [first_a, first_b] = slopes(false);
  EXPECT_GT(std::abs(first_a - a) + std::abs(first_b - b), 1e-2);
}

TEST(Maml, AWeightThatIsNotUsedStays) {
  const Tensors w = {at::ones({}).requires_grad_(true), at::ones({}).requires_grad_(true)};
  const Tensors now = adapted(
      w, [](const Tensors& v) { return v[0].square(); }, 2, 0.25, true);
  EXPECT_NEAR(now[0].item<double>(), 0.25, 1e-6);
  EXPECT_EQ(now[1].item<double>(), 1);
}

}  // namespace
}  // namespace retort

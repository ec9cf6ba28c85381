// The one-pass loss against the ops that it replaces.
#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"

namespace retort::losses {
namespace {

struct Problem {
  Tensor student, teacher, labels;
  double temperature;
};

Problem problem(at::ScalarType type, int64_t rows, int64_t classes, double temperature) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(rows + classes);
  const auto draw = [&] { return at::randn({rows, classes}, generator, at::TensorOptions().dtype(type)) * 3; };
  const Tensor student = draw(), teacher = draw();
  return {student.requires_grad_(), teacher, at::randint(-1, classes, {rows}, generator, at::TensorOptions().dtype(at::kLong)),
          temperature};
}

std::pair<Tensor, Tensor> composed(const Problem& p) {
  return {cross_entropy(p.student, p.labels), kl(p.student, p.teacher, Temperature{p.temperature}.scaled())};
}
std::pair<Tensor, Tensor> fused(const Problem& p) { return cross_entropy_and_kl(p.student, p.teacher, p.labels, p.temperature); }

Tensor mixed(const std::pair<Tensor, Tensor>& terms) { return 0.1 * terms.first + 0.9 * terms.second; }

double gap(const Tensor& a, const Tensor& b) { return ((a - b).abs() / (1 + b.abs())).max().item<double>(); }

TEST(Fused, EqualsTheComposedLossesAndGradients) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const double tolerance = type == at::kFloat ? 1e-6 : 1e-13;
    for (const auto& [rows, classes, temperature] :
         std::vector<std::tuple<int64_t, int64_t, double>>{{64, 10, 4}, {1, 2, 1}, {7, 100, 0.5}, {3, 1, 2}, {700, 200, 4}}) {
      const Problem p = problem(type, rows, classes, temperature);
      SCOPED_TRACE(fmt::format("{}x{} at T={}", rows, classes, temperature));
      EXPECT_LT(gap(fused(p).first, composed(p).first), tolerance);
      EXPECT_LT(gap(fused(p).second, composed(p).second), tolerance);
      const auto gradient = [&](const Tensor& loss) { return torch::autograd::grad({loss}, {p.student})[0]; };
      EXPECT_LT(gap(gradient(mixed(fused(p))), gradient(mixed(composed(p)))), tolerance);
      EXPECT_LT(gap(gradient(fused(p).first), gradient(composed(p).first)), tolerance);
      EXPECT_LT(gap(gradient(fused(p).second), gradient(composed(p).second)), tolerance);
    }
  }
}

TEST(Fused, SecondDerivativesAreThoseOfTheComposedLosses) {
  const Problem p = problem(at::kDouble, 4, 5, 3);
  const auto second = [&](const Tensor& loss) {
    const Tensor first = torch::autograd::grad({loss}, {p.student}, {}, true, /*create_graph=*/true)[0];
    return torch::autograd::grad({first.square().sum()}, {p.student})[0];
  };
  EXPECT_LT(gap(second(mixed(fused(p))), second(mixed(composed(p)))), 1e-12);
}

TEST(Fused, SurvivesExtremeLogitsAndRuledOutClasses) {
  Problem p = problem(at::kFloat, 3, 4, 1);
  p.student = torch::tensor({{900.f, -900.f, 0.f, 0.f}, {0.f, 0.f, 0.f, 0.f}, {-1e30f, 1.f, 2.f, 3.f}}).requires_grad_();
  p.teacher = torch::tensor({{-900.f, 900.f, 0.f, 0.f}, {0.f, -INFINITY, -INFINITY, 0.f}, {0.f, 1.f, 2.f, 3.f}});
  p.labels = torch::tensor({0, 3, 1}, at::kLong);
  const Tensor loss = mixed(fused(p));
  EXPECT_TRUE(loss.isfinite().item<bool>());
  EXPECT_TRUE(torch::autograd::grad({loss}, {p.student})[0].isfinite().all().item<bool>());
}

TEST(Fused, ReadsStridedInputs) {
  Problem p = problem(at::kFloat, 6, 5, 2);
  const auto expected = composed(p);
  p.student = p.student.t().contiguous().t();
  p.teacher = p.teacher.t().contiguous().t();
  EXPECT_LT(gap(fused(p).first, expected.first), 1e-6);
  EXPECT_LT(gap(fused(p).second, expected.second), 1e-6);
}

TEST(Fused, RefusesWhatTheComposedLossesRefuse) {
  Problem p = problem(at::kFloat, 3, 4, 2);
  EXPECT_THROW(cross_entropy_and_kl(p.student, p.teacher, torch::tensor({0, 1, 4}, at::kLong), 2), DataError);
  EXPECT_THROW(cross_entropy_and_kl(p.student, p.teacher.slice(1, 0, 3), p.labels, 2), ConfigError);
  EXPECT_THROW(cross_entropy_and_kl(p.student, p.teacher, p.labels, 0), ConfigError);
}

}  // namespace
}  // namespace retort::losses

#include "retort/search/gaussian_process.h"

#include "tests/support.h"

namespace retort::search {
namespace {

Tensor column(std::vector<double> values) { return at::tensor(values, at::kDouble).unsqueeze(1); }
double only(const Tensor& t) { return t.item<double>(); }

TEST(GaussianProcess, KernelsByHand) {
  const Tensor a = column({0}), b = column({2});
  EXPECT_NEAR(only(covariance(a, b, {KernelForm::rbf, {2}, 3})), 3 * std::exp(-0.5), 1e-12);
  const double r = std::sqrt(5.0);
  EXPECT_NEAR(only(covariance(a, b, {KernelForm::matern52, {2}, 3})), 3 * (1 + r + 5.0 / 3) * std::exp(-r), 1e-12);
  EXPECT_NEAR(only(covariance(a, a, {KernelForm::matern52, {2}, 3})), 3, 1e-8);
  // A length-scale a column.
  const Tensor p = at::tensor({0.0, 0.0}, at::kDouble).view({1, 2}), q = at::tensor({1.0, 4.0}, at::kDouble).view({1, 2});
  EXPECT_NEAR(only(covariance(p, q, {KernelForm::rbf, {1, 2}, 1})), std::exp(-2.5), 1e-12);
}

// One observation: mean k/(v+s) y, variance v - k^2/(v+s), evidence of N(0, v+s).
TEST(GaussianProcess, OneObservationInClosedForm) {
  const double v = 2, s = 0.5, y = 1.5, k = v * std::exp(-0.5);
  const GaussianProcess process(column({0}), at::tensor({y}, at::kDouble), {KernelForm::rbf, {1}, v}, s);
  const Prediction at_one = process.at(column({1}));
  EXPECT_NEAR(only(at_one.mean), k / (v + s) * y, 1e-12);
  EXPECT_NEAR(only(at_one.variance), v - k * k / (v + s), 1e-12);
  EXPECT_NEAR(process.log_marginal_likelihood(), -0.5 * y * y / (v + s) - 0.5 * std::log(v + s) - 0.5 * std::log(2 * M_PI), 1e-12);
}

TEST(GaussianProcess, TwoObservationsAgainstTheMatrixFormula) {
  const Tensor x = column({0, 1}), y = at::tensor({1.0, -1.0}, at::kDouble);
  const Kernel kernel{KernelForm::matern52, {0.7}, 1.3};
  const double noise = 0.1, mean = 0.25;
  const GaussianProcess process(x, y, kernel, noise, mean);
  const Tensor big = covariance(x, x, kernel) + noise * at::eye(2, at::kDouble), cross = covariance(column({0.4}), x, kernel),
               inverse = at::inverse(big);
  EXPECT_NEAR(only(process.at(column({0.4})).mean), mean + only(cross.mm(inverse).mv(y - mean)), 1e-10);
  EXPECT_NEAR(only(process.at(column({0.4})).variance), 1.3 - only(cross.mm(inverse).mm(cross.t())), 1e-10);
  const double evidence = -0.5 * only((y - mean).dot(inverse.mv(y - mean))) - 0.5 * std::log(only(at::det(big))) - std::log(2 * M_PI);
  EXPECT_NEAR(process.log_marginal_likelihood(), evidence, 1e-10);
}

TEST(GaussianProcess, WithoutNoiseItPassesThroughTheData) {
  const Tensor x = column({-1, 0, 0.5, 2}), y = at::tensor({0.3, -0.2, 0.9, 0.1}, at::kDouble);
  const Prediction there = GaussianProcess(x, y, {KernelForm::rbf, {1}, 1}, 1e-10).at(x);
  EXPECT_LT((there.mean - y).abs().max().item<double>(), 1e-5);
  EXPECT_LT(there.variance.max().item<double>(), 1e-5);
  const Prediction far = GaussianProcess(x, y, {KernelForm::rbf, {1}, 4}, 1e-10, 7).at(column({100}));
  EXPECT_NEAR(only(far.mean), 7, 1e-9);
  EXPECT_NEAR(only(far.variance), 4, 1e-9);
}

TEST(GaussianProcess, TheGradientReachesThePlacesAsked) {
  const Tensor x = column({-1, 0, 2}), y = at::tensor({0.3, -0.2, 0.1}, at::kDouble);
  const GaussianProcess process(x, y, {KernelForm::matern52, {0.8}, 1}, 0.01);
  const Tensor place = column({0.7}).requires_grad_(true);
  process.at(place).mean.sum().backward();
  const double h = 1e-5, slope = (only(process.at(column({0.7 + h})).mean) - only(process.at(column({0.7 - h})).mean)) / (2 * h);
  EXPECT_NEAR(only(place.grad()), slope, 1e-7);
}

TEST(GaussianProcess, EqualPlacesAreNoTrouble) {
  const Prediction there = GaussianProcess(column({1, 1, 1}), at::tensor({1.0, 2.0, 3.0}, at::kDouble), {KernelForm::rbf, {1}, 1}, 1e-9)
                               .at(column({1}));
  EXPECT_NEAR(only(there.mean), 2, 1e-3);
}

TEST(GaussianProcess, FittingFindsTheScaleOfTheFunction) {
  const Tensor x = at::linspace(0, 1, 40, at::kDouble).unsqueeze(1);
  const auto fitted = [&](double frequency) {
    const Tensor y = (frequency * x.squeeze(1)).sin() * std::sqrt(2.0);
    FitPlan plan;
    plan.priors = false;
    plan.form = KernelForm::rbf;
    plan.rounds = 100;
    return fit_gaussian_process(x, y, plan, Seed(1));
  };
  const GaussianProcess slow = fitted(6), fast = fitted(24);
  EXPECT_GT(slow.kernel().lengthscales[0], 2 * fast.kernel().lengthscales[0]);
  EXPECT_LT(slow.noise(), 1e-4);
  EXPECT_LT((slow.at(column({0.31})).mean - std::sin(6 * 0.31) * std::sqrt(2.0)).abs().item<double>(), 1e-2);
}

TEST(GaussianProcess, FittingRaisesTheEvidence) {
  const Tensor x = at::rand({25, 2}, Seed(4).generator(), at::kDouble), noise = at::randn({25}, Seed(5).generator(), at::kDouble);
  const Tensor y = (4 * x.select(1, 0)).sin() + 0.3 * noise;
  FitPlan plan;
  plan.priors = false;
  const GaussianProcess found = fit_gaussian_process(x, y, plan, Seed(1));
  const auto with = [&](double factor, double noise_factor) {
    Kernel kernel = found.kernel();
    kernel.lengthscales[0] *= factor;
    return GaussianProcess(x, y, kernel, found.noise() * noise_factor, found.mean()).log_marginal_likelihood();
  };
  EXPECT_NEAR(with(1, 1), found.log_marginal_likelihood(), 1e-9);
  for (const auto& [factor, noise_factor] : {std::pair(1.1, 1.0), std::pair(0.9, 1.0), std::pair(1.0, 1.2), std::pair(1.0, 0.8)})
    EXPECT_LT(with(factor, noise_factor), found.log_marginal_likelihood());
  EXPECT_NEAR(found.noise(), 0.09, 0.05);
  EXPECT_GT(found.kernel().lengthscales[1], 3 * found.kernel().lengthscales[0]);  // the second column has no part in it
}

TEST(GaussianProcess, ExpectedImprovementInClosedForm) {
  const auto ei = [](double mean, double variance, double best) {
    return only(expected_improvement({at::tensor({mean}, at::kDouble), at::tensor({variance}, at::kDouble)}, best));
  };
  EXPECT_NEAR(ei(1, 4, 1), 2 / std::sqrt(2 * M_PI), 1e-12);  // s phi(0)
  EXPECT_NEAR(ei(3, 1e-20, 1), 2, 1e-9);                     // certain: the gain itself
  EXPECT_EQ(ei(0, 1e-20, 1), 0);
  EXPECT_NEAR(ei(0, 1, 1), -0.15865525393145707 + 0.24197072451914337, 1e-12);
  // Against the mean of many draws.
  const Tensor draws = at::randn({400000}, Seed(9).generator(), at::kDouble) * 0.5 + 0.2;
  EXPECT_NEAR(ei(0.2, 0.25, 0.6), (draws - 0.6).clamp_min(0).mean().item<double>(), 1e-3);
}

TEST(GaussianProcess, RefusesWhatDoesNotFit) {
  const Tensor x = column({0, 1}), y = at::tensor({1.0, 2.0}, at::kDouble);
  EXPECT_NE(caught<ConfigError>([&] {
              GaussianProcess(x, at::tensor({1.0}, at::kDouble), {}, 0.1);
            }).line.find("expected places [n, d] and values [n], received [2, 1] and [1]"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { GaussianProcess(x, y, {}, 0); }).line.find("must be above 0"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] {
              GaussianProcess(x, y, {KernelForm::rbf, {1, 2, 3}, 1}, 0.1);
            }).line.find("3 length-scales for 1 columns"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { GaussianProcess(x, y / 0, {}, 0.1); }).line.find("not finite"), std::string::npos);
}

}  // namespace
}  // namespace retort::search

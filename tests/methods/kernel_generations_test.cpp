#include "retort/methods/self/kernel_generations.h"

#include "retort/base/random.h"
#include "retort/methods/self/gt_weight.h"
#include "retort/methods/self/noisy_sine.h"
#include "tests/support.h"

namespace retort {
namespace {

using self::KernelGenerations;

struct Fit {
  Tensor x = at::linspace(0, 1, 12, at::kDouble).unsqueeze(1), y = at::empty({12, 2}, at::kDouble).normal_(0, 1, Seed(3).generator());
  KernelRidge ridge{gram({"rbf", 30}, x, x), 0.2};
  KernelGenerations generations(const std::vector<double>& weights) const {
    return self::kernel_generations(ridge, y, static_cast<int64_t>(weights.size()),
                                    [&](int64_t t, const Tensor&, const Tensor&) { return weights[static_cast<size_t>(t - 1)]; });
  }
};

double apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(KernelGenerations, OnePointByHand) {
  // H = 3/4, y = 1: ys_1 = 3/4, target_2 = 1/2 + 3/8 = 7/8, ys_2 = 21/32.
  const KernelRidge ridge(at::full({1, 1}, 3.0), 1);
  const auto two = self::kernel_generations(ridge, at::ones({1, 1}), 2, [](int64_t, const Tensor&, const Tensor&) { return 0.5; });
  EXPECT_DOUBLE_EQ(two.fitted[0].item<double>(), 0.75);
  EXPECT_DOUBLE_EQ(two.fitted[1].item<double>(), 21.0 / 32);
  EXPECT_DOUBLE_EQ(two.coefficients[1].item<double>(), 7.0 / 32);
  EXPECT_DOUBLE_EQ(self::limit_coefficients(ridge, at::ones({1, 1}), 0.5).item<double>(), 0.5 / 2.5);
}

TEST(KernelGenerations, LabelsAloneChangeNothing) {
  const Fit fit;
  const auto all = fit.generations({1, 1, 1, 1});
  for (const Tensor& fitted : all.fitted) EXPECT_LT(apart(fitted, all.fitted[0]), 1e-13);
}

TEST(KernelGenerations, TheDirectFormIsTheRecursion) {
  const Fit fit;
  const std::vector<double> weights = {1, 0.3, 0.6, 0, 1, 0.25, -0.4};
  const auto all = fit.generations(weights);
  for (size_t t = 1; t <= weights.size(); ++t) {
    EXPECT_LT(
        apart(self::fitted_directly(fit.ridge, fit.y, {weights.begin(), weights.begin() + static_cast<ptrdiff_t>(t)}), all.fitted[t - 1]),
        1e-10)
        << t;
  }
  // The spectrum says the same.
  EXPECT_LT(apart(fit.ridge.filtered(self::shrinkage(fit.ridge.eigenvalues(), 0.2, weights)[6], fit.y), all.fitted[6]), 1e-10);
}

TEST(KernelGenerations, ReachTheirLimitGeometrically) {
  const Fit fit;
  const double weight = 0.25;
  std::vector<double> weights(200, weight);
  weights[0] = 1;
  const auto all = fit.generations(weights);
  const Tensor limit = self::limit_coefficients(fit.ridge, fit.y, weight);
  EXPECT_LT(apart(all.coefficients.back(), limit), 1e-8);
  // It is the ridge fit with lambda / weight.
  EXPECT_LT(apart(limit, KernelRidge(gram({"rbf", 30}, fit.x, fit.x), 0.2 / weight).coefficients(fit.y)), 1e-10);
  const double a = (fit.ridge.eigenvalues() / (fit.ridge.eigenvalues() + 0.2)).max().item<double>();
  EXPECT_LE(apart(all.coefficients[20], limit), (1 - weight) * a * apart(all.coefficients[19], limit) * 1.5);
  std::vector<double> none(200, 0.0);
  none[0] = 1;
  EXPECT_LT(fit.generations(none).fitted.back().abs().max().item<double>(), 1e-4 * fit.y.abs().max().item<double>());
  EXPECT_EQ(self::limit_coefficients(fit.ridge, fit.y, 0).abs().max().item<double>(), 0);
}

TEST(KernelGenerations, ShrinkageMakesSolutionsRelativelySparser) {
  const Fit fit;
  const auto ratios = [&](const std::vector<double>& weights) {
    const Tensor b = self::shrinkage(fit.ridge.eigenvalues(), 0.2, weights);
    return (b.slice(1, 0, 11) / b.slice(1, 1, 12)).slice(1, 0, 8);  // where eigenvalues are far from rounding
  };
  for (const double weight : {0.0, 0.3, 0.8}) {
    const Tensor r = ratios({1, weight, weight, weight, weight});
    for (int64_t t = 1; t < 5; ++t) EXPECT_TRUE((r[t] >= r[0] * (1 - 1e-12)).all().item<bool>()) << weight;
  }
  const Tensor growing = ratios({1, 0, 0, 0, 0});
  EXPECT_TRUE((growing.slice(0, 1, 5) > growing.slice(0, 0, 4)).all().item<bool>());
}

TEST(GtWeight, RecoversAPlantedMixture) {
  const Tensor u = at::empty({9, 2}, at::kDouble).normal_(0, 1, Seed(1).generator()),
               w = at::empty({9, 2}, at::kDouble).normal_(0, 1, Seed(2).generator());
  for (const double planted : {-0.7, 0.0, 0.35, 1.0, 1.8})
    EXPECT_NEAR(self::optimal_gt_weight(planted * u + (1 - planted) * w, u, w), planted, 1e-12);
  EXPECT_EQ(self::optimal_gt_weight(at::zeros_like(u), u, u), 1);
  EXPECT_THROW(self::optimal_gt_weight(at::zeros({3}), at::zeros({3}), at::zeros({4})), ConfigError);
}

TEST(GtWeight, GridAndRank) {
  self::GtWeightKnobs knobs;
  EXPECT_EQ(knobs.grid_points(), (std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1}));
  EXPECT_EQ(self::rank_on_grid({0, 0.5, 1}, {3, 1, 2}, 0.6), 1);
  EXPECT_EQ(self::rank_on_grid({0, 0.5, 1}, {3, 1, 2}, -2), 3);
  knobs.gt_weight = {0.5, 0.2};
  EXPECT_EQ(knobs.fixed(2), 0.5);
  EXPECT_EQ(knobs.fixed(3), 0.2);
  EXPECT_EQ(knobs.fixed(9), 0.2);
  EXPECT_EQ(knobs.bounded(-0.3), 0);
  knobs.allow_outside = true;
  EXPECT_EQ(knobs.bounded(-0.3), -0.3);
}

TEST(NoisySine, ThePrintedLosses) {
  const std::vector<double> none = {0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251},
                            some = {0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948};
  const auto at0 = self::sine_losses(self::published_sine(), 0, 6), at35 = self::sine_losses(self::published_sine(), 0.35, 6);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(at0.generations[i], none[i], 1e-5);
    EXPECT_NEAR(at35.generations[i], some[i], 1e-5);
  }
  EXPECT_NEAR(at0.limit, 0.49505, 1e-5);
  EXPECT_NEAR(at35.limit, 0.14959, 1e-5);
  EXPECT_LT(self::difference_from_published(), 1e-5);
}

TEST(NoisySine, OptimalWeightsAreNeverWorseOnTheirOwnPoints) {
  self::SineStudy study;
  study.draws = 12;
  study.grid = {0, 0.25, 0.5, 0.75, 1};
  const auto found = self::study_noisy_sine(study, Seed(1));
  EXPECT_EQ(found.identity_violations, 0);
  EXPECT_LT(found.clipped, found.by_weight.back());
  EXPECT_LE(found.best_fixed(), found.grid_mean());
}

}  // namespace
}  // namespace retort

#include "retort/methods/self/noisy_sine.h"

#include "retort/methods/self/gt_weight.h"
#include "retort/stats/paired.h"

namespace retort::self {
namespace {

Tensor even_points(int64_t count) { return at::linspace(0, 1, count, at::kDouble).unsqueeze(1); }
Tensor sine(const Tensor& x) { return at::sin(2 * M_PI * x); }
double squared_error(const Tensor& values, const Tensor& truth) { return (values - truth).square().mean().item<double>(); }

ChooseGtWeight always(double weight) {
  return [weight](int64_t, const Tensor&, const Tensor&) { return weight; };
}

Tensor noise_of(int64_t count, double deviation, Dice& dice) {
  Tensor noise = at::empty({count, 1}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) noise.data_ptr<double>()[i] = deviation * dice.normal();
  return noise;
}

}  // namespace

SineExample published_sine() {
  return {even_points(11),
          at::tensor({0.384766, 1.233397, 1.332322, 0.692016, -0.297561, -0.241893, -0.796449, -0.961648, -0.496725, -0.346907, 0.558951},
                     at::kDouble)
              .unsqueeze(1),
          {"rbf", 80},
          0.2};
}

SineLosses sine_losses(const SineExample& example, double gt_weight, int64_t generations) {
  const Tensor judge = even_points(101), truth = sine(judge), k = gram(example.kernel, judge, example.x);
  const KernelRidge ridge(gram(example.kernel, example.x, example.x), example.lambda);
  SineLosses losses;
  for (const Tensor& c : kernel_generations(ridge, example.y, generations, always(gt_weight)).coefficients)
    losses.generations.push_back(squared_error(k.mm(c), truth));
  losses.limit = squared_error(k.mm(limit_coefficients(ridge, example.y, gt_weight)), truth);
  return losses;
}

double difference_from_published() {
  struct Printed {
    double gt_weight;
    std::vector<double> losses;
    double limit;
  };
  const std::vector<Printed> page = {{0, {0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251}, 0.49505},
                                     {0.25, {0.16477, 0.15309, 0.14958}, -1},
                                     {0.35, {0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948}, 0.14959}};
  double largest = 0;
  for (const Printed& printed : page) {
    const SineLosses ours = sine_losses(published_sine(), printed.gt_weight, static_cast<int64_t>(printed.losses.size()));
    for (size_t i = 0; i < printed.losses.size(); ++i) largest = std::max(largest, std::abs(ours.generations[i] - printed.losses[i]));
    if (printed.limit >= 0) largest = std::max(largest, std::abs(ours.limit - printed.limit));
  }
  return largest;
}

double SineFindings::best_fixed() const { return *std::min_element(by_weight.begin(), by_weight.end()); }
double SineFindings::grid_mean() const { return mean(by_weight); }

SineFindings study_noisy_sine(const SineStudy& study, Seed seed) {
  const Tensor x = even_points(study.points), judge = even_points(101), truth = sine(judge), k = gram(study.kernel, judge, x);
  const KernelRidge ridge(gram(study.kernel, x, x), study.lambda);
  SineFindings findings;
  findings.by_weight.assign(study.grid.size(), 0);
  const double share = 1.0 / static_cast<double>(study.draws);
  for (int64_t draw = 0; draw < study.draws; ++draw) {
    Dice dice(seed.stream("draw", static_cast<uint64_t>(draw)));
    const Tensor y = sine(x) + noise_of(study.points, study.noise, dice);
    Tensor places = at::empty({study.validation, 1}, at::kDouble);
    for (int64_t i = 0; i < study.validation; ++i) places.data_ptr<double>()[i] = dice.uniform();
    const Tensor held_out = sine(places) + noise_of(study.validation, study.noise, dice), k_held = gram(study.kernel, places, x);
    const auto optimal = [&](bool clip) {
      return kernel_generations(ridge, y, study.generations, [&](int64_t, const Tensor& from_labels, const Tensor& from_last) {
        const double weight = optimal_gt_weight(held_out, k_held.mm(from_labels), k_held.mm(from_last));
        return clip ? std::clamp(weight, 0.0, 1.0) : weight;
      });
    };
    const KernelGenerations best = optimal(false);
    const auto loss_of = [&](const Tensor& coefficients) { return squared_error(k.mm(coefficients), truth); };
    const auto held_out_loss = [&](const Tensor& coefficients) { return squared_error(k_held.mm(coefficients), held_out); };
    findings.optimal += share * loss_of(best.coefficients.back());
    findings.clipped += share * loss_of(optimal(true).coefficients.back());
    for (size_t t = 1; t < best.gt_weights.size(); ++t)
      findings.negative_share += best.gt_weights[t] < 0 ? share / static_cast<double>(study.generations - 1) : 0;
    bool violated = false;
    for (size_t g = 0; g < study.grid.size(); ++g) {
      const KernelGenerations fixed = kernel_generations(ridge, y, study.generations, always(study.grid[g]));
      findings.by_weight[g] += share * loss_of(fixed.coefficients.back());
      violated = violated || (study.generations > 1 && held_out_loss(best.coefficients[1]) > held_out_loss(fixed.coefficients[1]) + 1e-12);
    }
    findings.identity_violations += violated;
  }
  return findings;
}

}  // namespace retort::self

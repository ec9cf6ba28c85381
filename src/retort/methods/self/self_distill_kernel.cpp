// Self-distillation of a kernel machine on the recipe's data: every generation is exact, and so is the choice of its weight.
#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/self/generation_table.h"
#include "retort/methods/self/kernel_generations.h"
#include "retort/methods/self/self_distill.h"

namespace retort::self {
namespace {

constexpr int64_t kMostPoints = 8000;  // the matrix of the kernel takes 512 MB then, and its spectrum some minutes

Tensor rows_of(const Dataset& data) { return prepared_inputs(data).flatten(1).to(at::kDouble); }
Tensor truth_of(const Dataset& data) { return losses::smoothed_labels(data.labels, data.classes()).to(at::kDouble); }
double squared_error(const Tensor& values, const Tensor& truth) { return (values - truth).square().sum(1).mean().item<double>(); }

// The choice of a generation's weight on the validation part; k is k(validation, points).
ChooseGtWeight chooser(const GtWeightKnobs& weight, const Tensor& k, const Tensor& truth, std::map<int64_t, double>& estimates) {
  return [&weight, k, truth, &estimates](int64_t t, const Tensor& from_labels, const Tensor& from_last) {
    if (weight.choose == "fixed") return weight.fixed(t);
    const Tensor u = k.mm(from_labels), v = k.mm(from_last);
    const double optimum = estimates[t] = optimal_gt_weight(truth, u, v);
    if (weight.choose == "optimal") return weight.bounded(optimum);
    const std::vector<double> points = weight.grid_points();
    return *std::min_element(points.begin(), points.end(), [&](double a, double b) {
      return squared_error(a * u + (1 - a) * v, truth) < squared_error(b * u + (1 - b) * v, truth);
    });
  };
}

}  // namespace

void run_kernel_on_data(Run& run, const SelfDistillKnobs& knobs) {
  const auto data = run.recipe.read<DataKnobs>("data");
  knobs.weight.check(run.recipe, data.validation);
  ClassifierRun c = prepare_classifier(run, Access::none);
  const Dataset points = c.splits.train.take(at::nonzero(c.splits.train.labels >= 0).squeeze(1));
  if (points.size() > kMostPoints) {
    throw ConfigError(
        fmt::format("data.train: a kernel machine compares every pair of points; {} are more than {}", points.size(), kMostPoints),
        "set data.train lower, or knobs.model = \"network\"");
  }
  const Tensor x = rows_of(points), y = truth_of(points);
  const Kernel kernel{knobs.kernel, knobs.gamma > 0 ? knobs.gamma : 1.0 / static_cast<double>(x.size(1))};
  const KernelRidge ridge(gram(kernel, x, x), knobs.lambda);
  const Dataset& held_out = c.splits.validation;
  const bool judged = held_out.size() > 0;
  const Tensor k = judged ? gram(kernel, rows_of(held_out), x) : Tensor(), truth = judged ? truth_of(held_out) : Tensor();
  std::map<int64_t, double> estimates;
  const KernelGenerations all = kernel_generations(ridge, y, knobs.generations, chooser(knobs.weight, k, truth, estimates));

  const auto machine = [&](const Tensor& coefficients) {
    Net net = make_net(fmt::format("kernel-{}-{}", kernel.kind, points.size()), points.spec.shape, points.classes(), Seed(0));
    net.load({{"points", x}, {"gamma", at::full({1}, kernel.gamma)}, {"coefficients", coefficients}}, "the kernel machine");
    net.train(false);
    net.to(run.device);
    return net;
  };
  GenerationTable table;
  std::vector<Net> nets;
  for (int64_t t = 1; t <= knobs.generations; ++t) {
    const Tensor& coefficients = all.coefficients[static_cast<size_t>(t - 1)];
    nets.push_back(machine(coefficients));
    const auto estimate = estimates.find(t);
    table.add(c, t, all.gt_weights[static_cast<size_t>(t - 1)],
              estimate == estimates.end() ? std::nullopt : std::optional<double>(estimate->second), nets.back(),
              judged ? squared_error(k.mm(coefficients), truth) : std::nan(""));
  }
  if (knobs.weight.choose == "fixed") c.show("limit", machine(limit_coefficients(ridge, y, knobs.weight.gt_weight.back())));
  if (knobs.keep_generation == "best" && !judged) {
    throw ConfigError(run.recipe.where("knobs.keep_generation") + ": knobs.keep_generation: \"best\" needs a validation part",
                      "set data.validation, or keep_generation = \"last\"");
  }
  const size_t kept = knobs.keep_generation == "best" ? table.best() : nets.size() - 1;
  table.write_to(c, kept);
  c.conclude(nets[kept]);
}

}  // namespace retort::self

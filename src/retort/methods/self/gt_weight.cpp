#include "retort/methods/self/gt_weight.h"

#include "retort/base/error.h"

namespace retort::self {

double optimal_gt_weight(const Tensor& truth, const Tensor& from_labels, const Tensor& from_last) {
  if (truth.sizes() != from_labels.sizes() || truth.sizes() != from_last.sizes()) {
    throw ConfigError(fmt::format("optimal_gt_weight: expected three tensors of one shape, received [{}], [{}] and [{}]",
                                  fmt::join(truth.sizes(), ", "), fmt::join(from_labels.sizes(), ", "),
                                  fmt::join(from_last.sizes(), ", ")));
  }
  const Tensor v = truth.to(at::kDouble), u = from_labels.to(at::kDouble), w = from_last.to(at::kDouble), apart = u - w;
  const double square = apart.square().sum().item<double>();
  const double size = u.square().sum().item<double>() + w.square().sum().item<double>();
  return square > 1e-20 * size ? ((v - w) * apart).sum().item<double>() / square : 1;
}

void GtWeightKnobs::describe(Knobs& knobs) {
  knobs("gt_weight", gt_weight,
        "weight of the ground truth against the last generation's answers, for generation 2, 3, …; the last entry goes on");
  knobs("choose", choose,
        "fixed: gt_weight; optimal: the closed form on the validation part, from the fits to labels alone and to the last generation "
        "alone; grid: the best of `grid` on it",
        one_of({"fixed", "optimal", "grid"}));
  knobs("grid", grid, "choose = \"grid\": how many weights from 0 to 1 are tried in each generation", at_least(2));
  knobs("allow_outside", allow_outside, "weights outside [0, 1] are meant, and an optimal one is not clipped");
}

void GtWeightKnobs::check(const Recipe& recipe, int64_t validation_rows) const {
  if (gt_weight.empty())
    throw ConfigError(recipe.where("knobs.gt_weight") + ": knobs.gt_weight: the list is empty", "one weight is enough for all generations");
  for (const double weight : gt_weight) {
    if (allow_outside || (weight >= 0 && weight <= 1)) continue;
    throw ConfigError(fmt::format("{}: knobs.gt_weight: expected a number from 0 to 1, found {}", recipe.where("knobs.gt_weight"), weight),
                      "set knobs.allow_outside = true if that is meant");
  }
  if (choose == "fixed" || validation_rows > 0) return;
  throw ConfigError(fmt::format("{}: knobs.choose: \"{}\" needs a validation part to choose on", recipe.where("knobs.choose"), choose),
                    "set data.validation, or choose = \"fixed\"");
}

double GtWeightKnobs::fixed(int64_t step) const { return gt_weight[std::min<size_t>(static_cast<size_t>(step - 2), gt_weight.size() - 1)]; }

double GtWeightKnobs::bounded(double weight) const { return allow_outside ? weight : std::clamp(weight, 0.0, 1.0); }

std::vector<double> GtWeightKnobs::grid_points() const {
  std::vector<double> points;
  for (int64_t i = 0; i < grid; ++i) points.push_back(static_cast<double>(i) / static_cast<double>(grid - 1));
  return points;
}

int64_t rank_on_grid(const std::vector<double>& points, const std::vector<double>& losses, double weight) {
  size_t nearest = 0;
  for (size_t i = 1; i < points.size(); ++i)
    if (std::abs(points[i] - weight) < std::abs(points[nearest] - weight)) nearest = i;
  return 1 + std::count_if(losses.begin(), losses.end(), [&](double loss) { return loss < losses[nearest]; });
}

}  // namespace retort::self

// How much of a generation's target is ground truth: given, estimated in closed form, or searched on a grid.  arXiv 2102.13088
#pragma once

#include "retort/base/knobs.h"
#include "retort/base/recipe.h"
#include "retort/base/tensor.h"

namespace retort::self {

// Step 6: the weight w of f = w * u + (1-w) * v that comes nearest to the truth in squared error, <truth - v, u - v> / |u - v|^2, where u was fitted
// to the labels alone and v to the last generation alone. All of one shape. May leave [0, 1]; 1 where u and v are the same.
double optimal_gt_weight(const Tensor& truth, const Tensor& from_labels, const Tensor& from_last);

// The knobs of the choice, common to networks and kernels.
struct GtWeightKnobs {
  std::vector<double> gt_weight = {0.6};
  std::string choose = "fixed";
  int64_t grid = 6;
  bool allow_outside = false;
  void describe(Knobs& knobs);
  // Throws ConfigError: weights outside [0, 1] that are not allowed; a choice that needs validation rows where there are none.
  void check(const Recipe& recipe, int64_t validation_rows) const;
  double fixed(int64_t step) const;         // of step 2, 3, …: the list's entries; the last one goes on
  double bounded(double weight) const;      // clipped to [0, 1] unless allow_outside
  std::vector<double> grid_points() const;  // 0 … 1
};

// The place, from 1, of the grid point nearest to `weight` when the points are ordered by their losses.
int64_t rank_on_grid(const std::vector<double>& points, const std::vector<double>& losses, double weight);

}  // namespace retort::self

// The regression of a noisy sine on [0, 1], where everything about self-distillation is known exactly.  arXiv 2102.13088, section 5
#pragma once

#include "retort/methods/self/kernel_generations.h"

namespace retort::self {

// The eleven points of the paper's figure, its kernel (rbf, gamma 80), ridge (0.2) and judge (101 even points against the true sine).
struct SineExample {
  Tensor x, y;  // [11, 1]
  Kernel kernel;
  double lambda;
};
SineExample published_sine();
// Mean squared error against sin(2 pi x) on 101 even points of generation 1 … `generations`, and of the limit, for one weight in all of them.
struct SineLosses {
  std::vector<double> generations;
  double limit;
};
SineLosses sine_losses(const SineExample& example, double gt_weight, int64_t generations);
// The largest difference from the losses that the paper's page prints: weights 0, 0.25 and 0.35, six generations, and two limits.
double difference_from_published();

// A study of many noisy draws: evenly spaced points, as many generations, and validation points of the same noise at random places.
struct SineStudy {
  Kernel kernel{"rbf", 40};
  double lambda = 0.1, noise = 0.5;
  int64_t points = 25, validation = 40, generations = 6, draws = 200;
  std::vector<double> grid;
};
struct SineFindings {
  std::vector<double> by_weight;    // mean loss of the last generation for each fixed weight of the grid
  double optimal = 0, clipped = 0;  // the same with every generation's optimal weight, free and clipped to [0, 1]
  double identity_violations =
      0;  // draws where, at generation 2, some weight of the grid does better on the validation points than the optimal one
  double negative_share = 0;  // of the optimal weights, how many ask for more regularisation than weight 0 gives
  double best_fixed() const;
  double grid_mean() const;
};
SineFindings study_noisy_sine(const SineStudy& study, Seed seed);

}  // namespace retort::self

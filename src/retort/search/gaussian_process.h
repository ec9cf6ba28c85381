// Gaussian-process regression (Rasmussen and Williams 2006, chapters 2, 4 and 5), exact, in double. Gradients flow to the places asked about.
#pragma once

#include <vector>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort::search {

enum class KernelForm { rbf, matern52 };

// rbf: variance * exp(-r^2/2); matern52: variance * (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r); r is the distance in units of the length-scales.
struct Kernel {
  KernelForm form = KernelForm::matern52;
  std::vector<double> lengthscales = {1};  // one for all columns, or one a column
  double variance = 1;
};
Tensor covariance(const Tensor& a, const Tensor& b, const Kernel& kernel);  // [n, d], [m, d] -> [n, m]

struct Prediction {
  Tensor mean, variance;  // [m]; the variance of the function itself, without noise
};

class GaussianProcess {
 public:
  // x [n, d], y [n]; `noise`: the variance of y around the function; `mean`: the constant that it is around a priori. Throws ConfigError for shapes
  // that do not fit, settings that are not above 0, and values that are not finite.
  GaussianProcess(const Tensor& x, const Tensor& y, Kernel kernel, double noise, double mean = 0);
  Prediction at(const Tensor& places) const;                    // [m, d]
  double log_marginal_likelihood() const { return evidence_; }  // eq. 5.8
  const Kernel& kernel() const { return kernel_; }
  double noise() const { return noise_; }
  double mean() const { return mean_; }

 private:
  Tensor x_, factor_, weights_;  // Cholesky factor of K + noise I; its solution for y - mean
  Kernel kernel_;
  double noise_, mean_, evidence_;
};

// How the settings are found: they maximise the evidence, by quasi-Newton steps on their logarithms from several starts. `priors` keeps few data from
// extremes: log-normal on length-scales (median sqrt(d)/2 times the columns' spread of a unit cube), variance (1) and noise (0.01), for y of variance 1.
struct FitPlan {
  KernelForm form = KernelForm::matern52;
  bool priors = true, fit_mean = true;
  int starts = 2, rounds = 40;
  double least_noise = 1e-6;
};
GaussianProcess fit_gaussian_process(const Tensor& x, const Tensor& y, const FitPlan& plan, Seed seed);

// E[max(f - best, 0)] of f ~ N(mean, variance), for maximisation: (mean - best) Phi(u) + s phi(u), u = (mean - best)/s. [m]
Tensor expected_improvement(const Prediction& prediction, double best);

}  // namespace retort::search

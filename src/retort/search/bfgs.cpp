#include "retort/search/bfgs.h"

namespace retort::search {
namespace {

struct Evaluation {
  double value;
  Tensor gradient;
};

Evaluation evaluate(const Objective& f, const Tensor& at) {
  Evaluation found;
  found.value = f(at, found.gradient);
  if (!std::isfinite(found.value)) return {std::numeric_limits<double>::infinity(), {}};
  return found;
}

}  // namespace

Minimum minimise(const Objective& f, const Tensor& start, int rounds, double tolerance) {
  constexpr double kArmijo = 1e-4, kShortest = 1e-10;
  Tensor x = start.detach().to(at::kDouble), inverse = at::eye(start.numel(), at::kDouble);
  Evaluation here = evaluate(f, x);
  Minimum best{x, here.value, 0};
  for (; best.rounds < rounds && here.gradient.defined() && here.gradient.abs().max().item<double>() > tolerance; ++best.rounds) {
    Tensor direction = -inverse.mv(here.gradient);
    double slope = direction.dot(here.gradient).item<double>();
    if (!(slope < 0)) {
      inverse = at::eye(start.numel(), at::kDouble);
      direction = -here.gradient;
      slope = direction.dot(here.gradient).item<double>();
    }
    // The first step is as long as a unit of the variables: the gradient's size says nothing yet.
    double length = best.rounds == 0 ? std::min(1.0, 1 / direction.norm().item<double>()) : 1;
    Evaluation next = evaluate(f, x + length * direction);
    while (length > kShortest && !(next.value <= here.value + kArmijo * length * slope && next.gradient.defined()))
      next = evaluate(f, x + (length /= 2) * direction);
    if (length <= kShortest) break;
    const Tensor step = length * direction, change = next.gradient - here.gradient;
    const double curvature = step.dot(change).item<double>();
    if (curvature > 1e-12) {
      const Tensor left = at::eye(start.numel(), at::kDouble) - step.outer(change) / curvature;
      inverse = left.mm(inverse).mm(left.t()) + step.outer(step) / curvature;
    }
    x = x + step;
    here = next;
    best.at = x;
    best.value = here.value;
  }
  return best;
}

}  // namespace retort::search

#include "retort/surrogates/fidelity.h"

#include <limits>

namespace retort {

double r_squared(const Tensor& guess, const Tensor& target) {
  const Tensor wanted = target.to(at::kDouble);
  const double left = (wanted - guess.to(at::kDouble)).square().sum().item<double>();
  const double all = (wanted - wanted.mean(0, /*keepdim=*/true)).square().sum().item<double>();
  if (all > 0) return 1 - left / all;
  return left == 0 ? 1 : -std::numeric_limits<double>::infinity();
}

double agreement_share(const Tensor& guess, const Tensor& target) { return guess.eq(target).to(at::kDouble).mean().item<double>(); }

double cohen_kappa(const Tensor& guess, const Tensor& target) {
  const int64_t classes = std::max(guess.max().item<int64_t>(), target.max().item<int64_t>()) + 1;
  const double n = static_cast<double>(guess.numel());
  const Tensor chances = at::bincount(guess, {}, classes).to(at::kDouble) * at::bincount(target, {}, classes).to(at::kDouble);
  const double chance = chances.sum().item<double>() / (n * n), observed = agreement_share(guess, target);
  return chance == 1 ? 1 : (observed - chance) / (1 - chance);
}

}  // namespace retort

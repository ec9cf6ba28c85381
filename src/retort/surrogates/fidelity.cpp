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

namespace {

struct Counts {
  Tensor right, said, are;  // of every class, double
  double n;
};

Counts count(const Tensor& guess, const Tensor& truth) {
  const int64_t classes = std::max(guess.max().item<int64_t>(), truth.max().item<int64_t>()) + 1;
  const auto of = [&](const Tensor& labels) { return at::bincount(labels, {}, classes).to(at::kDouble); };
  return {of(truth.masked_select(guess == truth)), of(guess), of(truth), static_cast<double>(guess.numel())};
}

}  // namespace

double macro_f1(const Tensor& guess, const Tensor& truth) {
  const Counts c = count(guess, truth);
  const Tensor both = c.said + c.are;
  return (2 * c.right / both.clamp_min(1)).masked_select(both > 0).mean().item<double>();
}

double matthews(const Tensor& guess, const Tensor& truth) {
  const Counts c = count(guess, truth);
  const double right = c.right.sum().item<double>(), mixed = (c.said * c.are).sum().item<double>();
  const double spread = (c.n * c.n - c.said.square().sum().item<double>()) * (c.n * c.n - c.are.square().sum().item<double>());
  return spread > 0 ? (right * c.n - mixed) / std::sqrt(spread) : 0;
}

}  // namespace retort

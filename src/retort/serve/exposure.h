// How much of a net's answer a key of `retort serve` may see.
#pragma once

#include <string>
#include <vector>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

// "full", "labels", "top-K" (the K largest probabilities, the others 0), "rounded-D" (D decimals), "noised-S" (log-probabilities plus N(0, S^2), renormalised).
struct Exposure {
  enum class Kind { full, labels, top, rounded, noised } kind = Kind::full;
  double amount = 0;
  static Exposure parse(const std::string& text);  // throws ConfigError
  std::string text() const;                        // reads back to the same
  // Probabilities as they may be shown, [b, classes]; for `labels` one-hot.
  Tensor show(const Tensor& probabilities, Seed seed) const;
  // The same with a seed for every row, so that a row's noise does not depend on its company. seeds: one a row; empty unless noised.
  Tensor show(const Tensor& probabilities, const std::vector<Seed>& seeds) const;
};

}  // namespace retort

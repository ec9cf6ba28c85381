// Gradient-boosted histogram trees (Friedman 2001): every tree fits what the sum so far leaves over, shrunk by a rate.
#pragma once

#include "retort/surrogates/tree.h"

namespace retort {

struct BoostedSettings {
  Link loss = Link::identity;  // identity: squared error, any number of outputs; logistic: one output, targets in [0, 1]
  int64_t rounds = 200;
  double rate = 0.1;
  TreeSettings tree{/*depth=*/4, /*min_leaf_rows=*/5, /*min_leaf_share=*/0, /*column_share=*/1, /*l2=*/1};
  int64_t patience = 0;  // with held-out rows: stop after so many rounds without a better loss, and keep the best; 0: never
};

// x: [n, p] float32 (NaN where missing), targets: [n, k]; held-out rows may be undefined. Newton steps: gradient y - p, weight p (1 - p) for the
// logistic loss. Throws ConfigError for a logistic loss with several outputs or targets outside [0, 1].
TreeSum fit_boosted(const Tensor& x, const Tensor& targets, const BoostedSettings& settings, Seed seed = Seed(0), const Tensor& held_x = {},
                    const Tensor& held_targets = {});

// Mean loss of margins: half squared error a row, or cross-entropy.
double boosted_loss(Link loss, const Tensor& margins, const Tensor& targets);

}  // namespace retort

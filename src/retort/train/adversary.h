// The opponent of a generator: a discriminator with an optimiser of its own, whose steps alternate with the generator's (Goodfellow et al. 2014).
//
// In an objective whose student is the generator: adversary.learn(real, made.detach()), then a loss on adversary.verdict(made).
#pragma once

#include "retort/nets/net.h"
#include "retort/train/optimiser.h"

namespace retort {

class Adversary {
 public:
  Adversary(Net discriminator, const OptimiserKnobs& settings);
  // One step on BCE(D(real), 1) + BCE(D(made), 0), each a mean over its rows; returns the loss before it.
  Tensor learn(const Tensor& real, const Tensor& made, double lr_factor = 1);
  // Logits of "real", [b]. The gradient reaches the images, never the discriminator.
  Tensor verdict(const Tensor& made) const;
  const Net& net() const { return net_; }
  State state() const;
  void load(const State& state);

 private:
  Net net_;
  Optimiser optimiser_;
};

// -log D of made images, mean over the rows: BCE(D(made), 1). verdict: logits [b].
Tensor generator_loss(const Tensor& verdict);

}  // namespace retort

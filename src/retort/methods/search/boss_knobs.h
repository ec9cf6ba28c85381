// [knobs] of BOSS (119).
#pragma once

#include "retort/methods/search/trials.h"
#include "retort/search/engine.h"

namespace retort::search {

struct BossKnobs {
  EngineKnobs engine;
  int64_t trials = 128, warmup = 32, k = 8, slots = 1;
  bool pretrained = true;
  double alpha = -1, threshold = 0.95, extra_weight = 1;
  std::string pool = "top", members = "two", ancestors = "any", extra = "none", score = "accuracy";
  std::vector<double> lr = {1e-3, 1}, weight_decay = {1e-5, 1e-2}, one_minus_momentum = {1e-3, 1}, batch = {64, 256};
  std::vector<std::string> nets;

  void describe(Knobs& knobs);
  void check(const Recipe& recipe) const;  // throws ConfigError
  Space space(bool taught) const;          // of the warm-up's trials, and of those that earlier ones teach; throws ConfigError
  ExtraTerm extra_term() const;
};

}  // namespace retort::search

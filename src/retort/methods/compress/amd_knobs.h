// [knobs] of AMD (34).
#pragma once

#include "retort/base/recipe.h"

namespace retort::compress {

struct AmdKnobs {
  double student_scale = 0.1, grid_step = 0.1, scale = 0.5, temperature = 4, a = 1, b = 0.1;
  std::vector<double> grid;
  std::string select = "npsd", student = "slice", candidates = "joint";
  int64_t hops = 1, joint_epochs = 10, assistant_epochs = 5, random_candidates = 1, evaluations = 3, calibration = 256;

  void describe(Knobs& knobs);
  bool study() const { return select == "oracle" || select == "worst"; }  // a student of every candidate is trained
  void check(const Recipe& recipe) const;                                 // throws ConfigError
};

}  // namespace retort::compress

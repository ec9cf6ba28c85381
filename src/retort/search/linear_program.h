// Small dense linear programs.
#pragma once

#include <vector>

namespace retort::search {

struct Program {
  std::vector<double> objective;          // c, n
  std::vector<std::vector<double>> rows;  // A, each n
  std::vector<double> bounds;             // b >= 0, one a row
};
struct Optimum {
  std::vector<double> at;
  double value = 0;
};
// Maximises c.x where A x <= b and x >= 0, by the simplex method with Bland's rule (which never cycles), from x = 0. Throws ConfigError: shapes, a
// negative bound, no bound on the optimum.
Optimum maximise(const Program& program);

}  // namespace retort::search

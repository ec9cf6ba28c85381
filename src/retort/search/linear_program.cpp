#include "retort/search/linear_program.h"

#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort::search {

Optimum maximise(const Program& program) {
  constexpr double kTiny = 1e-11;
  const size_t n = program.objective.size(), m = program.rows.size();
  if (program.bounds.size() != m) throw ConfigError(fmt::format("linear program: {} rows and {} bounds", m, program.bounds.size()));
  const size_t width = n + m + 1;  // variables, slacks, right side
  std::vector<std::vector<double>> table(m + 1, std::vector<double>(width, 0));
  std::vector<size_t> basis(m);
  for (size_t r = 0; r < m; ++r) {
    if (program.rows[r].size() != n)
      throw ConfigError(fmt::format("linear program: row {} has {} entries, expected {}", r, program.rows[r].size(), n));
    if (!(program.bounds[r] >= 0))
      throw ConfigError(fmt::format("linear program: bound {} is {}, expected at least 0", r, program.bounds[r]));
    std::copy(program.rows[r].begin(), program.rows[r].end(), table[r].begin());
    table[r][n + r] = 1;
    table[r][width - 1] = program.bounds[r];
    basis[r] = n + r;
  }
  for (size_t c = 0; c < n; ++c) table[m][c] = -program.objective[c];
  while (true) {
    size_t enter = 0;
    while (enter + 1 < width && table[m][enter] >= -kTiny) ++enter;
    if (enter + 1 == width) break;
    size_t leave = m;
    for (size_t r = 0; r < m; ++r) {
      if (table[r][enter] <= kTiny) continue;
      const double ratio = table[r][width - 1] / table[r][enter], best = leave == m ? 0 : table[leave][width - 1] / table[leave][enter];
      if (leave == m || ratio < best - kTiny || (ratio < best + kTiny && basis[r] < basis[leave])) leave = r;
    }
    if (leave == m) throw ConfigError("linear program: the objective has no bound");
    const double pivot = table[leave][enter];
    for (double& entry : table[leave]) entry /= pivot;
    for (size_t r = 0; r <= m; ++r) {
      const double factor = table[r][enter];
      if (r == leave || factor == 0) continue;
      for (size_t c = 0; c < width; ++c) table[r][c] -= factor * table[leave][c];
    }
    basis[leave] = enter;
  }
  Optimum found;
  found.at.assign(n, 0);
  for (size_t r = 0; r < m; ++r)
    if (basis[r] < n) found.at[basis[r]] = table[r][width - 1];
  found.value = table[m][width - 1];
  return found;
}

}  // namespace retort::search

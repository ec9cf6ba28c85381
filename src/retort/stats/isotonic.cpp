#include "retort/stats/isotonic.h"

#include <algorithm>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {

std::vector<double> isotonic_fit(const std::vector<double>& values, const std::vector<double>& weights) {
  if (values.size() != weights.size())
    throw ConfigError(fmt::format("isotonic fit: {} values and {} weights", values.size(), weights.size()));
  struct Pool {
    double mean, weight;
    size_t count;
  };
  std::vector<Pool> pools;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(weights[i] > 0)) throw ConfigError(fmt::format("isotonic fit: weight {} is {}, expected above 0", i, weights[i]));
    pools.push_back({values[i], weights[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean > pools.back().mean) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& joined = pools.back();
      joined.mean = (joined.mean * joined.weight + last.mean * last.weight) / (joined.weight + last.weight);
      joined.weight += last.weight;
      joined.count += last.count;
    }
  }
  std::vector<double> fitted;
  for (const Pool& pool : pools) fitted.insert(fitted.end(), pool.count, pool.mean);
  return fitted;
}

double interpolated(double x, const std::vector<double>& xs, const std::vector<double>& ys) {
  if (x <= xs.front()) return ys.front();
  if (x >= xs.back()) return ys.back();
  const auto above = static_cast<size_t>(std::upper_bound(xs.begin(), xs.end(), x) - xs.begin());
  const double share = (x - xs[above - 1]) / (xs[above] - xs[above - 1]);
  return ys[above - 1] + share * (ys[above] - ys[above - 1]);
}

}  // namespace retort

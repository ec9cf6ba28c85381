// Monotone regression, and straight lines between its points.
#pragma once

#include <vector>

namespace retort {

// The rising sequence nearest to `values` in weighted squares (pool adjacent violators). Throws ConfigError: lengths, a weight that is not positive.
std::vector<double> isotonic_fit(const std::vector<double>& values, const std::vector<double>& weights);
// y at `x` on the lines between the points (xs rising), flat beyond them.
double interpolated(double x, const std::vector<double>& xs, const std::vector<double>& ys);

}  // namespace retort

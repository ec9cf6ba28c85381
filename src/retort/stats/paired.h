// Comparing arms over seeds: mean, spread, bootstrap interval of the mean paired difference, sign test.
#pragma once

#include <vector>

#include "retort/base/random.h"

namespace retort {

double mean(const std::vector<double>& values);                // ConfigError for an empty list, as all below
double standard_deviation(const std::vector<double>& values);  // n-1; 0 for one value

struct Interval {
  double low = 0, high = 0;
};
// Percentile bootstrap of the mean; the same values and seed give the same interval.
Interval bootstrap_mean(const std::vector<double>& values, double level = 0.95, int draws = 10000, Seed seed = Seed(17));
// Two-sided sign test: probability of a split as uneven as this or more when both signs are equally likely; zeros left out.
double sign_test(const std::vector<double>& differences);

// left - right, seed by seed.
struct PairedComparison {
  double mean_difference = 0, deviation = 0;
  Interval interval;
  double sign_probability = 1;
};
PairedComparison compare_paired(const std::vector<double>& left, const std::vector<double>& right);

}  // namespace retort

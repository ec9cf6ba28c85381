#include "retort/stats/paired.h"

#include "retort/base/error.h"

namespace retort {
namespace {

void check_some(const char* operation, const std::vector<double>& values) {
  if (values.empty()) throw ConfigError(fmt::format("{}: needs at least one value", operation));
}

}  // namespace

double mean(const std::vector<double>& values) {
  check_some("mean", values);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(const std::vector<double>& values) {
  const double centre = mean(values);
  if (values.size() == 1) return 0;
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

Interval bootstrap_mean(const std::vector<double>& values, double level, int draws, Seed seed) {
  check_some("bootstrap_mean", values);
  if (!(level > 0 && level < 1) || draws < 1) throw ConfigError(fmt::format("bootstrap_mean: level {} of {} draws", level, draws));
  const int64_t n = static_cast<int64_t>(values.size());
  Dice dice(seed);
  std::vector<double> means(draws);
  for (double& drawn : means) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += values[dice.below(n)];
    drawn = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  const auto quantile = [&](double q) {  // linear between the order statistics
    const double place = q * (draws - 1);
    const size_t below = static_cast<size_t>(place), above = std::min<size_t>(below + 1, draws - 1);
    return means[below] + (place - static_cast<double>(below)) * (means[above] - means[below]);
  };
  return {quantile((1 - level) / 2), quantile((1 + level) / 2)};
}

double sign_test(const std::vector<double>& differences) {
  check_some("sign_test", differences);
  int positive = 0, signs = 0;
  for (const double difference : differences) positive += difference > 0, signs += difference != 0;
  double chance = std::pow(0.5, signs), tail = 0;  // binomial(signs, 1/2) up to the rarer sign
  for (int k = 0; k <= std::min(positive, signs - positive); ++k) {
    tail += chance;
    chance *= static_cast<double>(signs - k) / (k + 1);
  }
  return std::min(1.0, 2 * tail);
}

PairedComparison compare_paired(const std::vector<double>& left, const std::vector<double>& right) {
  if (left.size() != right.size()) {
    throw ConfigError(fmt::format("compare_paired: {} values against {}", left.size(), right.size()),
                      "both arms must have run the same seeds");
  }
  std::vector<double> differences(left.size());
  std::transform(left.begin(), left.end(), right.begin(), differences.begin(), std::minus<>());
  return {mean(differences), standard_deviation(differences), bootstrap_mean(differences), sign_test(differences)};
}

}  // namespace retort

#include "retort/stats/inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/stats/ranking.h"

namespace retort {
namespace {

// I_x(a, b), Lentz's method on its continued fraction (Abramowitz and Stegun 26.5.8).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)) / a;
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1), value;
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  value = d;
  for (int m = 1; m < 500; ++m) {
    for (const double term :
         {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1 + term * d, c = 1 + term / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      if (std::abs(c) < kTiny) c = kTiny;
      value *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return front * value;
}

}  // namespace

double normal_tail(double z) { return std::erfc(std::abs(z) / std::sqrt(2.0)); }

double normal_quantile(double p) {
  if (!(p > 0 && p < 1)) throw ConfigError(fmt::format("normal quantile: {} is not between 0 and 1", p));
  double z = 0;
  for (int i = 0; i < 60; ++i) {
    const double step = (0.5 * std::erfc(-z / std::sqrt(2.0)) - p) / (std::exp(-z * z / 2) / std::sqrt(2 * M_PI));
    z -= std::clamp(step, -1.0, 1.0);
    if (std::abs(step) < 1e-14) break;
  }
  return z;
}

double student_tail(double t, double freedom) { return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)); }

CorrelationTest correlation_test(const std::vector<double>& x, const std::vector<double>& y, double level) {
  if (x.size() != y.size() || x.size() < 4)
    throw ConfigError(fmt::format("correlation: {} and {} values, expected as many, and at least 4", x.size(), y.size()));
  const auto n = static_cast<double>(x.size());
  CorrelationTest test;
  test.pearson = pearson(x, y);
  test.spearman = spearman(x, y);
  test.kendall = kendall_tau(x, y);
  const double r = std::clamp(test.pearson, -1.0, 1.0), rest = 1 - r * r;
  test.p = rest > 0 ? student_tail(r * std::sqrt((n - 2) / rest), n - 2) : 0;
  const double centre = std::atanh(r), half = normal_quantile(0.5 + level / 2) / std::sqrt(n - 3);
  test.low = std::tanh(centre - half), test.high = std::tanh(centre + half);
  return test;
}

std::vector<bool> benjamini_hochberg(const std::vector<double>& p, double rate) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  size_t rejected = 0;
  for (size_t i = 0; i < order.size(); ++i)
    if (p[order[i]] <= rate * static_cast<double>(i + 1) / static_cast<double>(p.size())) rejected = i + 1;
  std::vector<bool> flags(p.size(), false);
  for (size_t i = 0; i < rejected; ++i) flags[order[i]] = true;
  return flags;
}

Spread little_bags(const std::vector<std::vector<double>>& bags) {
  if (bags.empty() || bags[0].empty()) throw ConfigError("little bags: no models");
  const auto b = static_cast<double>(bags.size()), r = static_cast<double>(bags[0].size());
  Spread spread;
  std::vector<double> means;
  double within = 0;
  for (const auto& bag : bags) {
    if (bag.size() != bags[0].size())
      throw ConfigError(fmt::format("little bags: {} models in a bag and {} in another", bags[0].size(), bag.size()));
    means.push_back(std::accumulate(bag.begin(), bag.end(), 0.0) / r);
    for (const double q : bag) within += (q - means.back()) * (q - means.back());
  }
  spread.mean = std::accumulate(means.begin(), means.end(), 0.0) / b;
  double between = 0;
  for (const double q : means) between += (q - spread.mean) * (q - spread.mean) / b;
  within = r > 1 ? within / (b * (r - 1)) : 0;
  spread.inner = within / r;
  spread.variance = std::max(0.0, between - spread.inner);
  return spread;
}

}  // namespace retort

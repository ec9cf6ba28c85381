#include "retort/stats/ranking.h"

#include "retort/base/error.h"

namespace retort {
namespace {

void check_lengths(const char* operation, size_t x, size_t y, size_t least) {
  if (x == y && x >= least) return;
  throw ConfigError(fmt::format("{}: expected two lists of one length, at least {}, received {} and {}", operation, least, x, y));
}

}  // namespace

std::vector<double> average_ranks(const std::vector<double>& values) {
  const size_t n = values.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(n);
  for (size_t first = 0, last; first < n; first = last) {
    for (last = first; last < n && values[order[last]] == values[order[first]];) ++last;
    for (size_t i = first; i < last; ++i) ranks[order[i]] = (first + 1 + last) / 2.0;
  }
  return ranks;
}

double pearson(const std::vector<double>& x, const std::vector<double>& y) {
  check_lengths("pearson", x.size(), y.size(), 2);
  const double n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n, mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0) : 0;
}

double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  check_lengths("spearman", x.size(), y.size(), 2);
  return pearson(average_ranks(x), average_ranks(y));
}

double kendall_tau(const std::vector<double>& x, const std::vector<double>& y) {
  check_lengths("kendall_tau", x.size(), y.size(), 2);
  double agreeing = 0, untied_x = 0, untied_y = 0;
  const auto sign = [](double v) { return (v > 0) - (v < 0); };
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const int sx = sign(x[i] - x[j]), sy = sign(y[i] - y[j]);
      agreeing += sx * sy, untied_x += sx != 0, untied_y += sy != 0;
    }
  }
  return untied_x > 0 && untied_y > 0 ? agreeing / std::sqrt(untied_x * untied_y) : 0;
}

double roc_auc(const std::vector<double>& scores, const std::vector<bool>& positive) {
  check_lengths("roc_auc", scores.size(), positive.size(), 2);
  const auto ranks = average_ranks(scores);
  double positives = 0, rank_sum = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (positive[i]) ++positives, rank_sum += ranks[i];
  }
  const double negatives = static_cast<double>(ranks.size()) - positives;
  if (positives == 0 || negatives == 0)
    throw DataError(fmt::format("roc_auc: {} positives and {} negatives; it needs both", positives, negatives));
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

}  // namespace retort

#include "retort/methods/audit/score_scale.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "retort/stats/isotonic.h"

namespace retort::audit {

double ScoreScale::operator()(double score) const { return linear ? intercept + slope * score : interpolated(score, knots, values); }

std::vector<ScoreGroup> score_groups(const std::vector<double>& score, const std::vector<double>& outcome, bool binary) {
  const size_t n = score.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score[a] < score[b]; });
  const bool by_value = std::set<double>(score.begin(), score.end()).size() <= 50;
  const size_t parts = std::clamp<size_t>(n / 50, 3, 20);
  std::vector<ScoreGroup> groups;
  for (size_t begin = 0, part = 1; begin < n; ++part) {
    size_t end = by_value ? begin : std::max(begin + 1, n * part / parts);
    while (end < n && (end == begin || score[order[end]] == score[order[end - 1]])) ++end;  // equal scores stay together
    ScoreGroup group;
    group.rows = static_cast<int64_t>(end - begin);
    double sum = 0, squares = 0;
    for (size_t i = begin; i < end; ++i) {
      group.score += score[order[i]] / static_cast<double>(group.rows);
      sum += outcome[order[i]], squares += outcome[order[i]] * outcome[order[i]];
    }
    const auto rows = static_cast<double>(group.rows);
    if (binary) {
      group.level = std::log((sum + 0.5) / (rows - sum + 0.5));
      group.weight = (sum + 0.5) * (rows - sum + 0.5) / (rows + 1);
    } else {
      group.level = sum / rows;
      group.weight = rows;
    }
    groups.push_back(group);
    begin = end;
  }
  return groups;
}

ScoreScale fit_score_scale(const std::vector<double>& score, const std::vector<double>& outcome, bool binary, const std::string& kind) {
  ScoreScale scale;
  scale.groups = score_groups(score, outcome, binary);
  double weight = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  for (const ScoreGroup& g : scale.groups) weight += g.weight, x += g.weight * g.score, y += g.weight * g.level;
  x /= weight, y /= weight;
  for (const ScoreGroup& g : scale.groups) {
    xx += g.weight * (g.score - x) * (g.score - x);
    xy += g.weight * (g.score - x) * (g.level - y);
    yy += g.weight * (g.level - y) * (g.level - y);
  }
  scale.r_squared = yy > 0 ? xy * xy / (xx * yy) : 1;
  if (kind == "none") return scale;
  scale.slope = xy / xx;
  scale.intercept = y - scale.slope * x;
  scale.slope_error = std::sqrt(1 / xx);
  scale.linear = kind == "linear" || (kind == "auto" && scale.r_squared >= 0.95);
  if (scale.linear) return scale;
  std::vector<double> levels, weights;
  for (const ScoreGroup& g : scale.groups) scale.knots.push_back(g.score), levels.push_back(g.level), weights.push_back(g.weight);
  scale.values = isotonic_fit(levels, weights);
  return scale;
}

}  // namespace retort::audit

// A black box's score on the scale of the outcome: log-odds where the outcome is yes or no, its own unit where it is a number.
#pragma once

#include <string>
#include <vector>

namespace retort::audit {

struct ScoreGroup {
  double score = 0, level = 0, weight = 0;  // mean score, smoothed outcome level, 1 / its variance
  int64_t rows = 0;
};
struct ScoreScale {
  bool linear = true;
  double intercept = 0, slope = 1, slope_error = 0, r_squared = 1;  // of the line, by weighted least squares
  std::vector<double> knots, values;                                // of the isotonic fit
  std::vector<ScoreGroup> groups;
  double operator()(double score) const;
};

// Groups the rows by score: each value its own group where there are at most 50, else 20 quantile groups (fewer where that leaves less than 50 rows in
// one). The level is log((k + 0.5) / (n - k + 0.5)), or the mean of a real outcome.
std::vector<ScoreGroup> score_groups(const std::vector<double>& score, const std::vector<double>& outcome, bool binary);
// `kind`: auto takes the line where its weighted R^2 is at least 0.95, else the isotonic fit; linear, isotonic; none leaves the score as it is.
ScoreScale fit_score_scale(const std::vector<double>& score, const std::vector<double>& outcome, bool binary,
                           const std::string& kind = "auto");

}  // namespace retort::audit

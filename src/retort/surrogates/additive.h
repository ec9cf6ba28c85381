// Additive models that a person can read, f(x) = b0 + sum_j f_j(x_j) + sum_(j,k) f_jk(x_j, x_k): one table a column and a few for pairs, fitted by cyclic
// boosting of small histogram trees (Lou et al. 2012, 2013: GA2M).
#pragma once

#include <functional>
#include <vector>

#include "retort/surrogates/binning.h"

namespace retort {

constexpr int kPairSide = 16;  // a pair's table has at most 16 x 16 cells, so that its cells are numbered like bins

struct AdditiveSettings {
  bool logistic = false;  // targets in [0, 1] by their log-odds; else squared error
  int64_t rounds = 600, pair_rounds = 600;
  double rate = 0.1, l2 = 1, min_leaf_rows = 5;
  int64_t leaves = 3, pairs = 10;
};

// A column's coarse bins, for pairs: code of a bin (255: missing) -> 0 … kPairSide-1, about as many rows each.
using Coarse = std::vector<uint8_t>;

struct PairTable {
  int64_t a = 0, b = 0;
  std::vector<double> cells;  // [kPairSide * coarse a + coarse b]
};

struct AdditiveModel {
  bool logistic = false;
  double base = 0;
  std::vector<std::vector<double>> curves;  // of every column, by code (256)
  std::vector<PairTable> pairs;
  std::vector<Coarse> coarse;  // of every column
  // f(x) of every row: the log-odds of a logistic model.
  std::vector<double> predict(const BinnedTable& table) const;
};

using AdditivePairs = std::vector<std::pair<int64_t, int64_t>>;

// What stays the same for many fits on one table: coarse bins, which columns are categories (their bins have no order), which pairs.
struct AdditivePlan {
  std::vector<bool> category;
  std::vector<std::vector<uint8_t>>
      used;  // codes that occur in the whole table; those without rows in a sample take their neighbours' value
  std::vector<Coarse> coarse;
  AdditivePairs pairs;
};
AdditivePlan additive_plan(const BinnedTable& table, std::vector<bool> category);

// Fits by weighted rows (weight 0: the row does not count). `watch` is called after each round of main effects, then of pairs, with f of every row; returning false ends that stage.
// Terms come purified and centred by the weights: pairs have no marginal means, curves have mean 0.
using Watch = std::function<bool(bool pairs, int64_t round, const std::vector<float>& f)>;
AdditiveModel fit_additive(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& targets,
                           const std::vector<float>& weights, const AdditiveSettings& settings, const Watch& watch = {});

// The `count` pairs whose best cut into four quadrants takes most off the weighted squared residuals, best first.
AdditivePairs best_pairs(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& residuals,
                         const std::vector<float>& weights, int64_t count);

// Rounds by held-out rows: trains on the rest, stops each stage `patience` rounds after its best. `still_falling`: a stage used up its rounds, and the last tenth of them took more
// than a ten-thousandth of the first loss off.
struct AdditiveChoice {
  AdditiveSettings settings;  // with the rounds to use
  std::vector<double> curve;  // held-out loss after each round, main effects then pairs
  int64_t main_rounds_run = 0;
  bool still_falling = false;
};
AdditiveChoice choose_rounds(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& targets,
                             AdditiveSettings settings, const std::vector<bool>& held_out, int64_t patience = 40);

// Pushes what depends on one column alone out of the pairs, then the means out of the curves, with these row weights. The function stays the same.
void purify(AdditiveModel& model, const BinnedTable& table, const std::vector<float>& weights);

// Rows of a table with their weight, the others left out.
BinnedTable kept_rows(const BinnedTable& table, const std::vector<int64_t>& rows);

}  // namespace retort

// Which columns a model's answers hang on, from its answers alone: shuffling, nudging, and how several opinions become one order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "retort/base/random.h"

namespace retort {

// Rows [n, p] float32 -> what the model says, [n, c].
using Answers = std::function<Tensor(const Tensor&)>;
// What answers are worth against the truth, higher is better: (answers [n, c], truth [n] or [n, c]).
using Worth = std::function<double(const Tensor&, const Tensor&)>;
double negative_squared_error(const Tensor& answers,
                              const Tensor& truth);  // mean over rows, summed over outputs; int64 truth stands for one-hot rows
double share_decided_right(const Tensor& answers, const Tensor& truth);  // truth [n] int64

// Columns that hang together are shuffled together: the connected parts of |correlation| > above. Every column is in one group.
using Groups = std::vector<std::vector<int64_t>>;
Groups correlated_groups(const Tensor& x, double above);

struct Permutation {
  std::vector<double> importance;  // of every column; that of its group, 0 where it was not looked at
  std::vector<bool> measured;      // of every column
  std::vector<double> null;        // what shuffling costs against shuffled truth, of everything that was measured alone
  double null_95 = 0, null_max = 0;
  int64_t asked = 0;  // rows that the model answered
};
// I_g = worth(x) - mean over `repeats` shuffles of worth(x with the columns of g shuffled, as one). The same answers compared with shuffled truth give the
// importance of a column that tells nothing (Altmann et al. 2010). Breiman 2001.
Permutation permutation_importance(const Answers& model, const Tensor& x, const Tensor& truth, const Worth& worth, const Groups& groups,
                                   int64_t repeats, Seed seed);
// For many columns: random blocks of about sqrt(groups) are shuffled first; blocks above the 95th percentile of their null are halved until they are
// single groups.
Permutation block_permutation_importance(const Answers& model, const Tensor& x, const Tensor& truth, const Worth& worth,
                                         const Groups& groups, int64_t repeats, Seed seed);

// S_j = mean |f_y(x + step_j e_j) - f_y(x)| for the output y that the model puts highest; 0 for columns not asked about. step: [p] float32.
std::vector<double> sensitivity(const Answers& model, const Tensor& x, const Tensor& step, const std::vector<int64_t>& columns);

// Mean rank over the opinions, the most important first: rank 1 has the largest value, ties share. Every opinion counts alike (Borda).
std::vector<double> mean_ranks(const std::vector<std::vector<double>>& opinions);
// Columns by rising rank; ties in the order of the columns.
std::vector<int64_t> ranked_columns(const std::vector<double>& ranks);

}  // namespace retort

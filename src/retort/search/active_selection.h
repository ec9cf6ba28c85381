// Which unlabelled points to send to a teacher that is sometimes wrong: Robust Active Distillation (Baykal et al. 2023, arXiv 2210.01213), and the
// scores and covers of plain active learning beside it. Rows are points of a pool.
#pragma once

#include <vector>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort::search {

// ---- what a point would teach, from the student's probabilities [n, classes] -> [n], all at least kLeastGain

inline constexpr double kLeastGain = 1e-6;
Tensor margin_gains(const Tensor& probabilities);   // 1 - (largest - second largest)
Tensor entropy_gains(const Tensor& probabilities);  // in nats
Tensor doubt_gains(const Tensor& probabilities);    // 1 - largest

// ---- the game: the learner picks chances p over the points, an adversary then picks m points that the teacher gets wrong

struct Game {
  std::vector<double> chances;  // p, in the order of the gains
  int64_t support = 0;          // k*: the points that have a chance
  double value = 0;             // what the learner gets in the worst case
};

// max_p min_{|I| = m} sum_{i not in I} p_i g_i - sum_{i in I} p_i l_i. Exact: with the k points of largest gain at p_i ~ 1/(g_i + l_i), every one costs
// the adversary the same, and the value (sum_{i<=k} g_i/(g_i + l_i) - m) / sum_{i<=k} 1/(g_i + l_i) is maximised over k; without losses that is
// (k - m)/H_k and k > m. Empty `losses`: all 0. Throws ConfigError: no points, a gain that is not positive, a negative loss, NaN, m outside [0, n).
Game solve_game(const std::vector<double>& gains, int64_t wrong, const std::vector<double>& losses = {});
// What chances p get in the worst case: sum p g - the m largest p (g + l).
double worst_case(const std::vector<double>& chances, const std::vector<double>& gains, int64_t wrong,
                  const std::vector<double>& losses = {});
// The relative objective: the worst ratio to the best answer that knows I, max_p min_I (sum_{i not in I} p_i g_i) / (max_{i not in I} g_i). By linear
// programming over n (m + 1) variables: for small pools. Throws as above.
Game solve_relative_game(const std::vector<double>& gains, int64_t wrong);
double worst_ratio(const std::vector<double>& chances, const std::vector<double>& gains, int64_t wrong);

// The game for `budget` different points: chances q_i = min(1, c / (g_i + l)) of the k points of largest gain, with c such that they sum to the budget,
// and k >= max(budget, m + 1) the best in the worst case. Throws as above, and for a budget outside [1, n].
struct Marginals {
  std::vector<double> chances;  // q, which sum to the budget
  int64_t support = 0;
  double value = 0;
};
Marginals query_marginals(const std::vector<double>& gains, int64_t wrong, int64_t budget, double loss = 0);
// Draws as many points as the chances sum to (a whole number), point i with probability q_i: pairs of points shift their chances until each is 0 or 1
// (Srinivasan 2001). In rising order. Throws ConfigError for chances outside [0, 1] or of another sum.
std::vector<int64_t> dependent_rounding(std::vector<double> chances, Seed seed);

// ---- without a thought for the teacher's errors; positions of `budget` points

std::vector<int64_t> top_gains(const Tensor& gains, int64_t budget);  // the earlier of equals
// Greedy k-centre: each time the point farthest from all that are labelled or chosen (Sener and Savarese 2018). features [n, d], labelled [l, d].
std::vector<int64_t> k_centre(const Tensor& features, const Tensor& labelled, int64_t budget);
// Cluster-margin (Citovsky et al. 2021): the `surplus` x budget points of largest gain, taken round robin from their clusters, smallest cluster first.
// Clusters are those of k-means over the pool, where the paper links by averages.
std::vector<int64_t> cluster_margin(const Tensor& features, const Tensor& gains, int64_t budget, int64_t clusters, Seed seed,
                                    double surplus = 5);

}  // namespace retort::search

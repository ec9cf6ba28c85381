#include "retort/search/active_selection.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/search/linear_program.h"
#include "retort/stats/kmeans.h"

namespace retort::search {
namespace {

using Numbers = std::vector<double>;

void check_points(const Numbers& gains, int64_t wrong, const Numbers& losses) {
  const auto n = static_cast<int64_t>(gains.size());
  if (n == 0) throw ConfigError("active selection: no points to choose from");
  if (wrong < 0 || wrong >= n)
    throw ConfigError(fmt::format("active selection: {} wrong answers among {} points, expected 0 to {}", wrong, n, n - 1),
                      "a teacher that is always wrong teaches nothing");
  if (!losses.empty() && losses.size() != gains.size())
    throw ConfigError(fmt::format("active selection: {} losses for {} gains", losses.size(), n));
  for (int64_t i = 0; i < n; ++i)
    if (!(gains[static_cast<size_t>(i)] > 0) || !std::isfinite(gains[static_cast<size_t>(i)]))
      throw ConfigError(fmt::format("active selection: the gain of point {} is {}, expected above 0", i, gains[static_cast<size_t>(i)]));
  for (const double loss : losses)
    if (!(loss >= 0) || !std::isfinite(loss)) throw ConfigError(fmt::format("active selection: a loss of {}, expected at least 0", loss));
}

// Largest first, the earlier of equals first.
std::vector<size_t> falling(const Numbers& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  return order;
}

double sum_of_largest(Numbers values, int64_t count) {
  const auto middle = values.begin() + std::min<int64_t>(count, static_cast<int64_t>(values.size()));
  std::partial_sort(values.begin(), middle, values.end(), std::greater<>());
  return std::accumulate(values.begin(), middle, 0.0);
}

Numbers numbers_of(const Tensor& values) {
  const Tensor wide = values.to(at::kDouble).contiguous();
  return Numbers(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
}

}  // namespace

Tensor margin_gains(const Tensor& probabilities) {
  const Tensor two = std::get<0>(probabilities.topk(2, 1));
  return (1 - (two.select(1, 0) - two.select(1, 1))).clamp_min(kLeastGain);
}
Tensor entropy_gains(const Tensor& probabilities) { return at::special_entr(probabilities).sum(1).clamp_min(kLeastGain); }
Tensor doubt_gains(const Tensor& probabilities) { return (1 - std::get<0>(probabilities.max(1))).clamp_min(kLeastGain); }

Game solve_game(const Numbers& gains, int64_t wrong, const Numbers& losses) {
  check_points(gains, wrong, losses);
  const auto loss = [&](size_t i) { return losses.empty() ? 0 : losses[i]; };
  const std::vector<size_t> order = falling(gains);
  Game game;
  game.chances.assign(gains.size(), 0);
  // Everything on the point that is cheapest when wrong; the other corners of the objective are the k below.
  const size_t safest = losses.empty() ? 0 : static_cast<size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin());
  game.value = wrong > 0 ? -loss(safest) : -1;
  double shares = 0, weight = 0, best_weight = 0;
  for (size_t k = 1; k <= order.size(); ++k) {
    const size_t i = order[k - 1];
    shares += gains[i] / (gains[i] + loss(i));
    weight += 1 / (gains[i] + loss(i));
    const double value = (shares - static_cast<double>(wrong)) / weight;
    if (static_cast<int64_t>(k) > wrong && value > game.value)
      game.value = value, game.support = static_cast<int64_t>(k), best_weight = weight;
  }
  if (game.support == 0) {
    game.support = 1;
    game.chances[safest] = 1;
    return game;
  }
  for (int64_t k = 0; k < game.support; ++k) {
    const size_t i = order[static_cast<size_t>(k)];
    game.chances[i] = 1 / (gains[i] + loss(i)) / best_weight;
  }
  return game;
}

double worst_case(const Numbers& chances, const Numbers& gains, int64_t wrong, const Numbers& losses) {
  double all = 0;
  Numbers at_stake(gains.size());
  for (size_t i = 0; i < gains.size(); ++i) {
    all += chances[i] * gains[i];
    at_stake[i] = chances[i] * (gains[i] + (losses.empty() ? 0 : losses[i]));
  }
  return all - sum_of_largest(at_stake, wrong);
}

// For an adversary who takes the j points of largest gain, and m - j others, the best answer is worth g_(j+1).
double worst_ratio(const Numbers& chances, const Numbers& gains, int64_t wrong) {
  const std::vector<size_t> order = falling(gains);
  double worst = std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j <= wrong; ++j) {
    Numbers after;
    for (size_t i = static_cast<size_t>(j) + 1; i < order.size(); ++i) after.push_back(chances[order[i]] * gains[order[i]]);
    const size_t best = order[static_cast<size_t>(j)];
    const double kept = chances[best] * gains[best] + std::accumulate(after.begin(), after.end(), 0.0) - sum_of_largest(after, wrong - j);
    worst = std::min(worst, kept / gains[best]);
  }
  return worst;
}

// Variables: t, p (n), and for each j the dual of "the m - j largest of those after j": z_j and s_ij. Row j: t g_(j+1) - sum_{i>j} p_i g_i + (m-j) z_j + sum s_ij <= 0.
Game solve_relative_game(const Numbers& gains, int64_t wrong) {
  check_points(gains, wrong, {});
  const std::vector<size_t> order = falling(gains);
  const size_t n = gains.size(), adversaries = static_cast<size_t>(wrong) + 1, block = 1 + n, width = 1 + n + adversaries * block;
  Program program;
  program.objective.assign(width, 0);
  program.objective[0] = 1;
  Numbers simplex(width, 0);
  std::fill(simplex.begin() + 1, simplex.begin() + 1 + static_cast<int64_t>(n), 1.0);
  program.rows.push_back(simplex);
  program.bounds.push_back(1);
  for (size_t j = 0; j < adversaries; ++j) {
    const size_t z = 1 + n + j * block;
    Numbers row(width, 0);
    row[0] = gains[order[j]];
    row[z] = static_cast<double>(adversaries - 1 - j);
    for (size_t r = j; r < n; ++r) {
      const double gain = gains[order[r]];
      row[1 + r] = -gain;
      if (r == j) continue;
      row[z + 1 + r] = 1;
      Numbers dual(width, 0);  // p_r g_r - z_j - s_rj <= 0
      dual[1 + r] = gain, dual[z] = -1, dual[z + 1 + r] = -1;
      program.rows.push_back(dual);
      program.bounds.push_back(0);
    }
    program.rows.push_back(row);
    program.bounds.push_back(0);
  }
  const Optimum best = maximise(program);
  Game game;
  game.value = best.value;
  game.chances.assign(n, 0);
  for (size_t r = 0; r < n; ++r) game.chances[order[r]] = best.at[1 + r];
  game.support = std::count_if(game.chances.begin(), game.chances.end(), [](double p) { return p > 1e-12; });
  return game;
}

Marginals query_marginals(const Numbers& gains, int64_t wrong, int64_t budget, double loss) {
  check_points(gains, wrong, Numbers(gains.size(), loss));
  const auto n = static_cast<int64_t>(gains.size());
  if (budget < 1 || budget > n)
    throw ConfigError(fmt::format("active selection: {} queries of a pool of {}", budget, n),
                      "ask for at most as many points as there are");
  const std::vector<size_t> order = falling(gains);
  // Of the first i points in falling order: sums of 1/(g + l), g/(g + l), g and g + l.
  std::vector<std::array<double, 4>> sums(static_cast<size_t>(n) + 1);
  const auto stake = [&](int64_t i) { return gains[order[static_cast<size_t>(i)]] + loss; };
  for (int64_t i = 0; i < n; ++i) {
    const double g = gains[order[static_cast<size_t>(i)]], a = g + loss;
    const auto& before = sums[static_cast<size_t>(i)];
    sums[static_cast<size_t>(i) + 1] = {before[0] + 1 / a, before[1] + g / a, before[2] + g, before[3] + a};
  }
  const auto sum = [&](int64_t i, size_t what) { return sums[static_cast<size_t>(i)][what]; };
  const auto b = static_cast<double>(budget);
  const auto level_of = [&](int64_t k, int64_t& free) {  // the c of the first k points, and how many of them stay below 1
    int64_t low = 0, high = k;                           // the points before `low` are free: sum_i min(1, g_j / g_i) > b at their own stake
    while (low < high) {
      const int64_t j = (low + high) / 2;
      if (stake(j) * sum(j, 0) + static_cast<double>(k - j) > b)
        low = j + 1;
      else
        high = j;
    }
    free = low;
    return free == 0 ? stake(0) : (b - static_cast<double>(k - free)) / sum(free, 0);
  };
  Marginals best;
  best.value = -std::numeric_limits<double>::infinity();
  double level = 0;
  for (int64_t k = std::max(budget, wrong + 1); k <= n; ++k) {
    int64_t free = 0;
    const double c = level_of(k, free);
    const int64_t lost = std::min(wrong, free);
    const double kept = c * sum(free, 1) + sum(k, 2) - sum(free, 2), taken = static_cast<double>(lost) * c + sum(wrong, 3) - sum(lost, 3);
    if (kept - taken > best.value + 1e-12) best.value = kept - taken, best.support = k, level = c;
  }
  best.chances.assign(static_cast<size_t>(n), 0);
  for (int64_t i = 0; i < best.support; ++i) best.chances[order[static_cast<size_t>(i)]] = std::min(1.0, level / stake(i));
  return best;
}

std::vector<int64_t> dependent_rounding(Numbers chances, Seed seed) {
  constexpr double kEdge = 1e-9;
  const double total = std::accumulate(chances.begin(), chances.end(), 0.0);
  if (std::abs(total - std::round(total)) > 1e-6)
    throw ConfigError(fmt::format("dependent rounding: chances sum to {}, expected a whole number", total));
  for (const double q : chances)
    if (!(q >= -kEdge && q <= 1 + kEdge)) throw ConfigError(fmt::format("dependent rounding: a chance of {}, expected 0 to 1", q));
  Dice dice(seed);
  const auto undecided = [&](size_t i) { return chances[i] > kEdge && chances[i] < 1 - kEdge; };
  size_t held = chances.size();  // the one point that is still undecided among those passed
  for (size_t i = 0; i < chances.size(); ++i) {
    if (!undecided(i)) continue;
    if (held == chances.size()) {
      held = i;
      continue;
    }
    double &a = chances[held], &b = chances[i];
    const double up = std::min(1 - a, b), down = std::min(a, 1 - b);  // how far a may rise or fall as b gives way
    const double shift = dice.uniform() * (up + down) < down ? up : -down;
    a += shift, b -= shift;
    if (!undecided(held)) held = undecided(i) ? i : chances.size();
  }
  if (held < chances.size()) chances[held] = std::round(chances[held]);  // what rounding errors of the sum left
  std::vector<int64_t> drawn;
  for (size_t i = 0; i < chances.size(); ++i)
    if (chances[i] > 0.5) drawn.push_back(static_cast<int64_t>(i));
  return drawn;
}

std::vector<int64_t> top_gains(const Tensor& gains, int64_t budget) {
  const std::vector<size_t> order = falling(numbers_of(gains));
  return {order.begin(), order.begin() + budget};
}

std::vector<int64_t> k_centre(const Tensor& features, const Tensor& labelled, int64_t budget) {
  Tensor nearest = labelled.defined() && labelled.size(0) > 0 ? std::get<0>(at::cdist(features, labelled).min(1))
                                                              : at::full({features.size(0)}, INFINITY, features.options());
  std::vector<int64_t> chosen;
  while (static_cast<int64_t>(chosen.size()) < budget) {
    const auto next = nearest.argmax().item<int64_t>();
    chosen.push_back(next);
    nearest = at::minimum(nearest, (features - features[next]).norm(2, 1));
    nearest[next] = -1;
  }
  return chosen;
}

std::vector<int64_t> cluster_margin(const Tensor& features, const Tensor& gains, int64_t budget, int64_t clusters, Seed seed,
                                    double surplus) {
  const int64_t n = features.size(0), most = std::clamp<int64_t>(static_cast<int64_t>(surplus * static_cast<double>(budget)), budget, n);
  const Tensor members = kmeans(features.to(at::kDouble), std::min(clusters, n), seed).members;
  std::vector<std::vector<int64_t>> queues(static_cast<size_t>(std::min(clusters, n)));
  for (const int64_t i : top_gains(gains, most)) queues[static_cast<size_t>(members[i].item<int64_t>())].push_back(i);
  std::stable_sort(queues.begin(), queues.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<int64_t> chosen;
  for (size_t turn = 0; static_cast<int64_t>(chosen.size()) < budget; ++turn)
    for (const auto& queue : queues)
      if (turn < queue.size() && static_cast<int64_t>(chosen.size()) < budget) chosen.push_back(queue[turn]);
  return chosen;
}

}  // namespace retort::search

#include "retort/search/active_selection.h"

#include "retort/search/linear_program.h"
#include "tests/support.h"

namespace retort {
namespace {

using Numbers = std::vector<double>;
using namespace search;

double sum(const Numbers& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

Numbers random_gains(int64_t n, Dice& dice) {
  Numbers gains;
  for (int64_t i = 0; i < n; ++i) gains.push_back(dice.uniform(0.01, 1));
  return gains;
}

// max t: t <= sum p g - (m z + sum s), s_i >= p_i (g_i + l_i) - z, sum p <= 1; payoffs are raised by the largest loss, so that nothing is below 0.
double game_by_programming(const Numbers& gains, int64_t m, const Numbers& losses = {}) {
  const size_t n = gains.size();
  const double raise = losses.empty() ? 0 : *std::max_element(losses.begin(), losses.end());
  Program program;
  program.objective.assign(2 * n + 1, 0);
  program.objective[n] = -static_cast<double>(m);
  Numbers simplex(2 * n + 1, 0);
  for (size_t i = 0; i < n; ++i) {
    const double stake = gains[i] + (losses.empty() ? 0 : losses[i]);
    program.objective[i] = gains[i] + raise, program.objective[n + 1 + i] = -1, simplex[i] = 1;
    Numbers row(2 * n + 1, 0);
    row[i] = stake, row[n] = -1, row[n + 1 + i] = -1;
    program.rows.push_back(row), program.bounds.push_back(0);
  }
  program.rows.push_back(simplex), program.bounds.push_back(1);
  return maximise(program).value - raise;
}

TEST(LinearProgram, ByHand) {
  // max 3x + 2y, x + y <= 4, x + 3y <= 6, x <= 3: at (3, 1).
  const Optimum best = maximise({{3, 2}, {{1, 1}, {1, 3}, {1, 0}}, {4, 6, 3}});
  EXPECT_NEAR(best.value, 11, 1e-9);
  EXPECT_NEAR(best.at[0], 3, 1e-9);
  EXPECT_NEAR(best.at[1], 1, 1e-9);
  EXPECT_THROW(maximise({{1}, {{-1}}, {1}}), ConfigError);
  EXPECT_THROW(maximise({{1}, {{1}}, {-1}}), ConfigError);
}

TEST(RobustGame, ByHand) {
  const Game even = solve_game({1, 1, 1, 1}, 1);
  EXPECT_EQ(even.support, 4);
  EXPECT_NEAR(even.value, 0.75, 1e-12);
  for (const double p : even.chances) EXPECT_NEAR(p, 0.25, 1e-12);
  EXPECT_EQ(solve_game({1, 0.5}, 0).chances, (Numbers{1, 0}));
}

TEST(RobustGame, ValueIsThatOfALinearProgram) {
  Dice dice{Seed(1)};
  for (int round = 0; round < 25; ++round) {
    const Numbers gains = random_gains(4 + dice.below(12), dice);
    const int64_t m = dice.below(static_cast<int64_t>(gains.size()));
    const Game game = solve_game(gains, m);
    EXPECT_NEAR(game.value, game_by_programming(gains, m), 1e-6);
    EXPECT_NEAR(game.value, worst_case(game.chances, gains, m), 1e-9);
    const Numbers losses = random_gains(static_cast<int64_t>(gains.size()), dice);
    const Game costly = solve_game(gains, m, losses);
    EXPECT_NEAR(costly.value, game_by_programming(gains, m, losses), 1e-6) << round;
    EXPECT_NEAR(costly.value, worst_case(costly.chances, gains, m, losses), 1e-9);
  }
}

TEST(RobustGame, WorstCaseIsNoWorseThanOthers) {
  Dice dice{Seed(2)};
  for (int round = 0; round < 100; ++round) {
    const Numbers gains = random_gains(20, dice), even(20, 0.05);
    const int64_t m = dice.below(20);
    const double value = worst_case(solve_game(gains, m).chances, gains, m);
    Numbers margin(20, 0);
    margin[static_cast<size_t>(std::max_element(gains.begin(), gains.end()) - gains.begin())] = 1;
    EXPECT_GE(value, worst_case(even, gains, m) - 1e-12);
    EXPECT_GE(value, worst_case(margin, gains, m) - 1e-12);
  }
}

TEST(RobustGame, ScaleOfGainsDoesNotMatter) {
  Dice dice{Seed(3)};
  Numbers gains = random_gains(30, dice), scaled = gains;
  for (double& g : scaled) g *= 7;
  const Numbers p = solve_game(gains, 9).chances, q = solve_game(scaled, 9).chances;
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(p[i], q[i], 1e-12);
}

TEST(RelativeGame, IsBestAgainstTheAdversaryThatItNames) {
  Dice dice{Seed(4)};
  for (int round = 0; round < 10; ++round) {
    const Numbers gains = random_gains(8, dice);
    const Game game = solve_relative_game(gains, 2);
    EXPECT_NEAR(sum(game.chances), 1, 1e-9);
    EXPECT_NEAR(game.value, worst_ratio(game.chances, gains, 2), 1e-7);
    EXPECT_GE(game.value, worst_ratio(solve_game(gains, 2).chances, gains, 2) - 1e-9);
    for (int other = 0; other < 50; ++other) {
      Numbers p = random_gains(8, dice);
      const double all = sum(p);
      for (double& share : p) share /= all;
      EXPECT_GE(game.value, worst_ratio(p, gains, 2) - 1e-9);
    }
  }
}

TEST(QueryMarginals, SumToTheBudgetAndStayChances) {
  Dice dice{Seed(5)};
  for (int round = 0; round < 200; ++round) {
    const Numbers gains = random_gains(40, dice);
    const int64_t m = dice.below(40), b = 1 + dice.below(40);
    const Marginals q = query_marginals(gains, m, b, round % 2 ? 0.3 : 0);
    EXPECT_NEAR(sum(q.chances), static_cast<double>(b), 1e-9);
    for (const double chance : q.chances) EXPECT_TRUE(chance >= 0 && chance <= 1 + 1e-12) << chance;
    EXPECT_GE(q.support, std::max(b, m + 1));
    EXPECT_NEAR(q.value, worst_case(q.chances, gains, m, Numbers(40, round % 2 ? 0.3 : 0)), 1e-9);
  }
}

TEST(QueryMarginals, OneQuestionIsTheGame) {
  Dice dice{Seed(6)};
  const Numbers gains = random_gains(25, dice);
  const Numbers p = solve_game(gains, 7).chances, q = query_marginals(gains, 7, 1).chances;
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(p[i], q[i], 1e-12);
}

TEST(QueryMarginals, APerfectTeacherIsAskedAboutTheLargestGains) {
  Dice dice{Seed(7)};
  const Numbers gains = random_gains(50, dice);
  const Tensor list = at::tensor(gains, at::kDouble);
  std::vector<int64_t> largest = top_gains(list, 12);
  std::sort(largest.begin(), largest.end());
  EXPECT_EQ(dependent_rounding(query_marginals(gains, 0, 12).chances, Seed(1)), largest);
}

TEST(DependentRounding, KeepsChancesAndCount) {
  Dice dice{Seed(8)};
  const Numbers q = query_marginals(random_gains(12, dice), 4, 5).chances;
  constexpr int kDraws = 10000;
  Numbers drawn(q.size(), 0);
  for (int d = 0; d < kDraws; ++d) {
    const auto points = dependent_rounding(q, Seed(100).stream("draw", static_cast<uint64_t>(d)));
    ASSERT_EQ(points.size(), 5U);
    for (const int64_t i : points) ++drawn[static_cast<size_t>(i)];
  }
  for (size_t i = 0; i < q.size(); ++i) EXPECT_NEAR(drawn[i] / kDraws, q[i], 3.5 * std::sqrt(q[i] * (1 - q[i]) / kDraws) + 1e-9) << i;
}

TEST(Gains, ByHand) {
  const Tensor p = torch::tensor({0.5, 0.3, 0.2, 1.0, 0.0, 0.0}, at::kDouble).view({2, 3});
  EXPECT_NEAR(margin_gains(p)[0].item<double>(), 0.8, 1e-12);
  EXPECT_NEAR(doubt_gains(p)[0].item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(entropy_gains(p)[0].item<double>(), -(0.5 * std::log(0.5) + 0.3 * std::log(0.3) + 0.2 * std::log(0.2)), 1e-12);
  EXPECT_EQ(margin_gains(p)[1].item<double>(), kLeastGain);
}

TEST(Covers, FarPointsComeFirst) {
  const Tensor line = torch::tensor({0.0, 1.0, 2.0, 10.0, 11.0}).view({5, 1});
  EXPECT_EQ(k_centre(line, torch::tensor({0.0}).view({1, 1}), 2), (std::vector<int64_t>{4, 2}));
  const Tensor gains = torch::tensor({0.9, 0.8, 0.7, 0.6, 0.1});
  const auto chosen = cluster_margin(line, gains, 2, 2, Seed(0), /*surplus=*/2);
  EXPECT_EQ(chosen, (std::vector<int64_t>{3, 0}));  // of the four largest gains, one from the small cluster and one from the large
}

TEST(ActiveSelection, RefusesBadInput) {
  EXPECT_THROW(solve_game({}, 0), ConfigError);
  EXPECT_THROW(solve_game({1, 1}, 2), ConfigError);
  EXPECT_THROW(solve_game({1, -1}, 0), ConfigError);
  EXPECT_THROW(solve_game({1, NAN}, 0), ConfigError);
  EXPECT_THROW(solve_game({1, 1}, 0, {1, -1}), ConfigError);
  EXPECT_THROW(query_marginals({1, 1}, 0, 3), ConfigError);
  EXPECT_THROW(dependent_rounding({0.5, 0.2}, Seed(0)), ConfigError);
}

}  // namespace
}  // namespace retort

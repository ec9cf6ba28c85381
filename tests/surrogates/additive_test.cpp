#include "retort/surrogates/additive.h"

#include <cmath>

#include "retort/base/random.h"
#include "tests/support.h"

namespace retort {
namespace {

// Three columns of 8, 12 and 2 values; the last two codes of the first stand for rows without a value.
struct Grid {
  BinnedTable table;
  AdditivePlan plan;
  std::vector<float> ones;
  explicit Grid(int64_t rows = 3000) {
    Dice dice{Seed(1)};
    table.rows = rows;
    table.bins.cuts.resize(3);
    for (const int64_t bins : {8, 12, 2})
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t code = dice.below(bins);
        table.codes.push_back(bins == 8 && code == 7 ? kMissingBin : static_cast<uint8_t>(code));
      }
    plan = additive_plan(table, {false, false, true});
    ones.assign(static_cast<size_t>(rows), 1);
  }
  double code(int64_t column, int64_t row) const { return table.column(column)[row]; }
};

TEST(Additive, RecoversEveryCentredTermOfAnAdditiveTeacher) {
  const Grid grid;
  std::vector<double> first(256), second(256), third = {0.2, -0.5};
  third.resize(256);
  for (int b = 0; b < 256; ++b)
    first[static_cast<size_t>(b)] = b == kMissingBin ? 2 : std::sin(b), second[static_cast<size_t>(b)] = 0.1 * (b - 5) * (b - 5);
  std::vector<float> target;
  for (int64_t i = 0; i < grid.table.rows; ++i)
    target.push_back(
        static_cast<float>(1 + first[grid.table.column(0)[i]] + second[grid.table.column(1)[i]] + third[grid.table.column(2)[i]]));
  const AdditiveModel model = fit_additive(grid.table, grid.plan, target, grid.ones, {});
  const std::vector<std::vector<double>> truth = {first, second, third};
  for (int64_t j = 0; j < 3; ++j) {
    double mean = 0;
    for (int64_t i = 0; i < grid.table.rows; ++i)
      mean += truth[static_cast<size_t>(j)][grid.table.column(j)[i]] / static_cast<double>(grid.table.rows);
    for (const uint8_t code : grid.plan.used[static_cast<size_t>(j)])
      EXPECT_NEAR(model.curves[static_cast<size_t>(j)][code], truth[static_cast<size_t>(j)][code] - mean, 1e-2) << j << " " << int{code};
  }
  double mean = 0;
  for (const float y : target) mean += static_cast<double>(y) / static_cast<double>(grid.table.rows);
  EXPECT_NEAR(model.base, mean, 1e-3);
}

TEST(Additive, LogisticStudentFindsTheLogOdds) {
  const Grid grid(40000);
  Dice dice{Seed(2)};
  std::vector<float> target;
  for (int64_t i = 0; i < grid.table.rows; ++i)
    target.push_back(dice.chance(1 / (1 + std::exp(-(grid.code(2, i) > 0 ? 1.0 : -1.0)))) ? 1 : 0);
  AdditiveSettings settings;
  settings.logistic = true, settings.rounds = 100;
  const AdditiveModel model = fit_additive(grid.table, grid.plan, target, grid.ones, settings);
  EXPECT_NEAR(model.curves[2][1] - model.curves[2][0], 2, 0.12);
}

TEST(Additive, PairsAreFoundAndPurified) {
  const Grid grid;
  std::vector<float> target;
  for (int64_t i = 0; i < grid.table.rows; ++i)
    target.push_back(static_cast<float>((grid.code(1, i) > 5 ? 1 : -1) * (grid.code(2, i) > 0 ? 1 : -1) + grid.code(2, i)));
  AdditivePlan plan = grid.plan;
  const std::vector<double> mains = fit_additive(grid.table, plan, target, grid.ones, {}).predict(grid.table);
  std::vector<float> residuals;
  for (size_t i = 0; i < mains.size(); ++i) residuals.push_back(target[i] - static_cast<float>(mains[i]));
  plan.pairs = best_pairs(grid.table, plan, residuals, grid.ones, 1);
  EXPECT_EQ(plan.pairs, (AdditivePairs{{1, 2}}));
  const AdditiveModel model = fit_additive(grid.table, plan, target, grid.ones, {});
  const std::vector<double> f = model.predict(grid.table);
  double error = 0, pair_mean = 0;
  for (int64_t i = 0; i < grid.table.rows; ++i) {
    error = std::max(error, std::abs(f[static_cast<size_t>(i)] - static_cast<double>(target[static_cast<size_t>(i)])));
    if (grid.code(2, i) == 1)
      pair_mean += model.pairs[0].cells[static_cast<size_t>(model.coarse[1][grid.table.column(1)[i]] * kPairSide + model.coarse[2][1])];
  }
  EXPECT_LT(error, 0.1);            // main effects came first, and learned what chance made of the pair in 3,000 rows
  EXPECT_NEAR(pair_mean, 0, 1e-3);  // no marginal mean is left in the pair
}

TEST(Additive, RowsWithoutWeightDoNotCount) {
  const Grid grid;
  std::vector<float> target, weights = grid.ones;
  for (int64_t i = 0; i < grid.table.rows; ++i)
    target.push_back(i % 2 ? 1000 : static_cast<float>(grid.code(2, i))), weights[static_cast<size_t>(i)] = i % 2 ? 0 : 1;
  const AdditiveModel model = fit_additive(grid.table, grid.plan, target, weights, {});
  EXPECT_NEAR(model.curves[2][1] - model.curves[2][0], 1, 1e-3);
}

TEST(Additive, RoundsEndWhereTheCurveIsFlat) {
  const Grid grid;
  Dice dice{Seed(3)};
  std::vector<float> target;
  std::vector<bool> held;
  for (int64_t i = 0; i < grid.table.rows; ++i)
    target.push_back(static_cast<float>(grid.code(1, i) + dice.normal())), held.push_back(i % 5 == 0);
  const AdditiveChoice flat = choose_rounds(grid.table, grid.plan, target, {}, held);
  EXPECT_FALSE(flat.still_falling);
  EXPECT_LT(flat.settings.rounds, 200);
  AdditiveSettings few;
  few.rounds = 5;
  EXPECT_TRUE(choose_rounds(grid.table, grid.plan, target, few, held).still_falling);
}

TEST(Additive, RefusesBadInput) {
  const Grid grid(100);
  EXPECT_THROW(fit_additive(grid.table, grid.plan, {1, 2}, grid.ones, {}), ConfigError);
  EXPECT_THROW(fit_additive(grid.table, grid.plan, grid.ones, std::vector<float>(100, 0), {}), ConfigError);
}

}  // namespace
}  // namespace retort

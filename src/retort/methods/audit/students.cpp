#include "retort/methods/audit/students.h"

#include <cmath>

#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/stats/ranking.h"

namespace retort::audit {
namespace {

float link(bool logistic, double f) { return static_cast<float>(logistic ? 1 / (1 + std::exp(-f)) : f); }

// The model of the rows with a weight, the others left out so that a fit costs what it uses.
AdditiveModel fit_on(const Workbench& bench, const std::vector<float>& targets, const std::vector<float>& weights,
                     const AdditiveSettings& settings) {
  std::vector<int64_t> rows;
  std::vector<float> some_targets, some_weights;
  for (size_t i = 0; i < weights.size(); ++i)
    if (weights[i] > 0) rows.push_back(static_cast<int64_t>(i)), some_targets.push_back(targets[i]), some_weights.push_back(weights[i]);
  return fit_additive(kept_rows(bench.table, rows), bench.plan, some_targets, some_weights, settings);
}

// How often each row comes up when as many are drawn from rows that stand `counts` times.
std::vector<float> resampled(const std::vector<float>& counts, Seed seed) {
  std::vector<int64_t> urn;
  for (size_t i = 0; i < counts.size(); ++i) urn.insert(urn.end(), static_cast<size_t>(counts[i]), static_cast<int64_t>(i));
  std::vector<float> drawn(counts.size(), 0);
  Dice dice(seed);
  for (size_t i = 0; i < urn.size(); ++i)
    ++drawn[static_cast<size_t>(urn[static_cast<size_t>(dice.below(static_cast<int64_t>(urn.size())))])];
  return drawn;
}

}  // namespace

Workbench set_up(const AuditTable& log, const std::vector<double>& scaled, const StudentSettings& settings, Seed seed) {
  Workbench bench;
  bench.table = bin_table(log.x, fit_bins(log.x, static_cast<int>(settings.bins)));
  std::vector<bool> category;
  for (const AuditColumn& column : log.columns) category.push_back(column.category());
  bench.plan = additive_plan(bench.table, category);
  bench.scaled.assign(scaled.begin(), scaled.end());
  bench.outcome.assign(log.outcome.begin(), log.outcome.end());
  std::vector<bool> fifth;
  Dice dice(seed.stream("fifth"));
  for (int64_t i = 0; i < log.rows(); ++i) fifth.push_back(dice.chance(0.2));
  // Pairs by what main effects leave of the score.
  AdditiveSettings mimic = settings.additive, outcomes = settings.additive;
  outcomes.logistic = log.binary;
  if (mimic.pairs > 0 && bench.table.columns() > 1) {
    const AdditiveChoice mains = choose_rounds(bench.table, bench.plan, bench.scaled, mimic, fifth);
    const std::vector<float> ones(bench.scaled.size(), 1);
    const std::vector<double> f = fit_additive(bench.table, bench.plan, bench.scaled, ones, mains.settings).predict(bench.table);
    std::vector<float> residuals;
    for (size_t i = 0; i < f.size(); ++i) residuals.push_back(bench.scaled[i] - static_cast<float>(f[i]));
    bench.plan.pairs = best_pairs(bench.table, bench.plan, residuals, ones, mimic.pairs);
  }
  bench.mimic = choose_rounds(bench.table, bench.plan, bench.scaled, mimic, fifth);
  if (settings.two) bench.outcomes = choose_rounds(bench.table, bench.plan, bench.outcome, outcomes, fifth);
  return bench;
}

HeldOut held_out(const Workbench& bench, const std::vector<float>& scaled, const std::vector<float>& outcome, int64_t folds, Seed seed) {
  const Tensor order = permutation(bench.rows(), seed);
  const auto n = static_cast<size_t>(bench.rows());
  HeldOut all;
  all.mimic.resize(n), all.outcome.resize(n), all.score_residual.resize(n), all.outcome_residual.resize(n);
  const bool logistic = bench.outcomes.settings.logistic;
  for (int64_t k = 0; k < folds; ++k) {
    std::vector<float> weights(n, 1);
    for (int64_t i = k; i < bench.rows(); i += folds) weights[static_cast<size_t>(order.data_ptr<int64_t>()[i])] = 0;
    const std::vector<double> s = fit_on(bench, scaled, weights, bench.mimic.settings).predict(bench.table),
                              o = fit_on(bench, outcome, weights, bench.outcomes.settings).predict(bench.table);
    for (size_t i = 0; i < n; ++i) {
      if (weights[i] > 0) continue;
      all.mimic[i] = s[i], all.outcome[i] = static_cast<double>(link(logistic, o[i]));
      all.score_residual[i] = static_cast<double>(scaled[i]) - s[i],
      all.outcome_residual[i] = static_cast<double>(outcome[i]) - all.outcome[i];
    }
  }
  return all;
}

std::vector<BinView> compare_bins(const Workbench& bench, const StudentSettings& settings, double level, Seed seed) {
  const std::vector<float> ones(static_cast<size_t>(bench.rows()), 1);
  std::vector<BinView> bins;
  for (int64_t j = 0; j < bench.table.columns(); ++j) {
    std::array<int64_t, 256> rows{};
    for (int64_t i = 0; i < bench.rows(); ++i) ++rows[bench.table.column(j)[i]];
    for (const uint8_t code : bench.plan.used[static_cast<size_t>(j)]) {
      BinView& bin = bins.emplace_back();
      bin.feature = j, bin.code = code, bin.rows = rows[code];
    }
  }
  using Bags = std::vector<std::vector<double>>;
  const Bags empty(static_cast<size_t>(settings.outer), std::vector<double>(static_cast<size_t>(settings.inner)));
  std::vector<Bags> of_score(bins.size(), empty), of_outcome(bins.size(), empty), of_difference(bins.size(), empty);
  for (int64_t b = 0; b < settings.outer; ++b) {
    const auto bag = [&](const char* who) { return resampled(ones, seed.stream(who, static_cast<uint64_t>(b))); };
    const std::vector<float> rows = bag("bag"), others = settings.paired ? rows : bag("other bag");
    for (int64_t r = 0; r < settings.inner; ++r) {
      if (interrupt_requested()) throw Interrupted("interrupted while the bags were fitted", "an audit begins again from its start");
      const auto draw = [&](const std::vector<float>& from, const char* who) {
        return resampled(from, seed.stream(who, static_cast<uint64_t>(b * settings.inner + r)));
      };
      const std::vector<float> weights = draw(rows, "inner");
      AdditiveModel s = fit_on(bench, bench.scaled, weights, bench.mimic.settings), o;
      // Centred by the rows of the log, so that bags can be compared.
      purify(s, bench.table, ones);
      if (settings.two) {
        o = fit_on(bench, bench.outcome, settings.paired ? weights : draw(others, "other inner"), bench.outcomes.settings);
        purify(o, bench.table, ones);
      }
      for (size_t i = 0; i < bins.size(); ++i) {
        const auto j = static_cast<size_t>(bins[i].feature);
        const double at_s = s.curves[j][bins[i].code], at_o = settings.two ? o.curves[j][bins[i].code] : at_s;
        of_score[i][static_cast<size_t>(b)][static_cast<size_t>(r)] = at_s;
        of_outcome[i][static_cast<size_t>(b)][static_cast<size_t>(r)] = at_o;
        of_difference[i][static_cast<size_t>(b)][static_cast<size_t>(r)] = at_s - at_o;
      }
    }
  }
  std::vector<double> p;
  for (size_t i = 0; i < bins.size(); ++i) {
    bins[i].score = little_bags(of_score[i]), bins[i].outcome = little_bags(of_outcome[i]),
    bins[i].difference = little_bags(of_difference[i]);
    // Few bags may agree by chance, and nothing is left of the variance; it cannot be below what resampling alone does.
    for (Spread* spread : {&bins[i].score, &bins[i].outcome, &bins[i].difference})
      spread->variance = std::max(spread->variance, spread->inner);
    const Spread& d = bins[i].difference;
    bins[i].p = d.variance > 0 ? normal_tail(d.mean / std::sqrt(d.variance)) : d.mean == 0 ? 1 : 0;
    p.push_back(bins[i].p);
  }
  const std::vector<bool> flags = benjamini_hochberg(p, 1 - level);
  for (size_t i = 0; i < bins.size(); ++i) bins[i].flagged = settings.two && flags[i];
  return bins;
}

std::vector<double> null_correlations(const Workbench& bench, const HeldOut& real, int64_t folds, int64_t draws, Seed seed) {
  const auto n = static_cast<size_t>(bench.rows());
  const std::vector<float> ones(n, 1);
  const std::vector<double> s = fit_additive(bench.table, bench.plan, bench.scaled, ones, bench.mimic.settings).predict(bench.table);
  const std::vector<double> o = fit_additive(bench.table, bench.plan, bench.outcome, ones, bench.outcomes.settings).predict(bench.table);
  const bool logistic = bench.outcomes.settings.logistic;
  std::vector<double> found;
  for (int64_t d = 0; d < draws; ++d) {
    if (interrupt_requested()) throw Interrupted("interrupted while the null was drawn", "an audit begins again from its start");
    Dice dice(seed.stream("null", static_cast<uint64_t>(d)));
    std::vector<float> scaled, outcome;
    for (size_t i = 0; i < n; ++i) {
      scaled.push_back(static_cast<float>(s[i] + real.score_residual[static_cast<size_t>(dice.below(bench.rows()))]));
      const float mean = link(logistic, o[i]);
      outcome.push_back(logistic ? static_cast<float>(dice.chance(static_cast<double>(mean)))
                                 : mean + static_cast<float>(real.outcome_residual[static_cast<size_t>(dice.below(bench.rows()))]));
    }
    const HeldOut again = held_out(bench, scaled, outcome, folds, seed.stream("folds", static_cast<uint64_t>(d)));
    found.push_back(pearson(again.score_residual, again.outcome_residual));
  }
  return found;
}

}  // namespace retort::audit

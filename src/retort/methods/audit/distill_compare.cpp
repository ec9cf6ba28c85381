// Distill-and-Compare: two transparent students of one log, the mimic of a score and the student of the outcome, and where they part.
// Tan et al. 2018, arXiv 1710.06169
#include "retort/methods/audit/distill_compare.h"

#include <cmath>

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/methods/audit/findings.h"
#include "retort/stats/ranking.h"
#include "retort/surrogates/boosted.h"
#include "retort/surrogates/fidelity.h"

namespace retort::audit {
namespace {

struct AuditKnobs {
  std::string score, outcome, scale = "auto", world;
  std::vector<std::string> features, days;
  int64_t bins = 255, leaves = 3, rounds = 600, pairs = 10, folds = 5, outer = 20, inner = 5, null_draws = 20, rows = 3000;
  double rate = 0.1, level = 0.95, planted = 0.8;
  bool paired = true, two = true, opaque = true;
  void describe(Knobs& knobs) {
    knobs("score", score, "the column of the black box's score");
    knobs("outcome", outcome, "the column of what then happened: 0 or 1, or a number");
    knobs("features", features, "columns that the students may use; empty for all others");
    knobs("days", days, "features made of two columns of dates: [\"NAME=FROM..TO\"] are the days between them");
    knobs(
        "scale", scale,
        "how the score comes to the outcome's scale: auto (a line where that fits, R^2 >= 0.95, else isotonic), linear, isotonic, or none",
        one_of({"auto", "linear", "isotonic", "none"}));
    knobs("bins", bins, "most bins of a feature", between(2, 255));
    knobs("leaves", leaves, "leaves of the trees that are added up to a curve", between(2, 8));
    knobs("rate", rate, "what a tree counts", between(0.001, 1));
    knobs("rounds", rounds, "most rounds of boosting, for curves and then for pairs; a held-out fifth stops them earlier", at_least(1));
    knobs("pairs", pairs, "pairs of features that get a table of their own", at_least(0));
    knobs("folds", folds, "parts of the cross-validation behind held-out residuals", between(2, 100));
    knobs("outer", outer, "bootstrap samples behind the bands; 0: no bands and no comparison of curves", at_least(0));
    knobs("inner", inner, "resamples of each, which tell what resampling itself adds", at_least(1));
    knobs("level", level, "confidence of bands and tests", between(0.5, 0.999));
    knobs("null_draws", null_draws,
          "logs drawn from the students themselves, to see which correlation of residuals comes without missing features; 0: the interval "
          "alone decides",
          at_least(0));
    knobs("paired", paired, "both students on the same resampled rows; false for a comparison");
    knobs("two", two, "also the student of the outcome; false shows what the mimic alone can tell");
    knobs("opaque", opaque, "also boosted trees of depth 6, to see what the transparent students cannot say");
    knobs("world", world,
          "instead of a log, one where the truth is known: full, missing (a feature is kept from it) or planted (the score is too high in "
          "one range)",
          one_of({"", "full", "missing", "planted"}));
    knobs("rows", rows, "rows of that log", between(200, 1000000));
    knobs("planted", planted, "what is added there, in log-odds");
  }
  void check(const Recipe& recipe) const {
    if (!world.empty()) return;
    if (score.empty()) throw ConfigError(recipe.name() + ": knobs.score: missing", "name the column of the score");
    if (outcome.empty()) throw ConfigError(recipe.name() + ": knobs.outcome: missing", "name the column of what then happened");
    if (score == outcome) throw ConfigError(recipe.where("knobs.outcome") + ": knobs.outcome: '" + outcome + "' is the score too");
  }
  StudentSettings students() const {
    StudentSettings s;
    s.additive.rounds = s.additive.pair_rounds = rounds;
    s.additive.rate = rate, s.additive.leaves = leaves, s.additive.pairs = pairs;
    s.bins = bins, s.folds = folds, s.outer = outer, s.inner = inner, s.paired = paired, s.two = two;
    return s;
  }
};

Tensor column_of(const std::vector<double>& values) { return at::tensor(values, at::kDouble).unsqueeze(1); }

Honesty honesty_of(const std::vector<double>& scaled, const std::vector<double>& mimic, const std::vector<double>& outcome,
                   const std::vector<double>& predicted, bool binary) {
  const auto rmse = [](const std::vector<double>& a, const std::vector<double>& b) {
    return (column_of(a) - column_of(b)).square().mean().sqrt().item<double>();
  };
  Honesty honesty;
  honesty.mimic_rmse = rmse(scaled, mimic);
  honesty.mimic_r2 = r_squared(column_of(mimic), column_of(scaled));
  honesty.outcome_rmse = rmse(outcome, predicted);
  std::vector<bool> positive;
  for (const double o : outcome) positive.push_back(o > 0.5);
  if (binary) honesty.outcome_auc = roc_auc(predicted, positive);
  return honesty;
}

// Boosted trees of depth 6 on the same folds.
Honesty opaque_honesty(const AuditTable& log, const std::vector<double>& scaled, int64_t folds, Seed seed) {
  const Tensor order = permutation(log.rows(), seed), s = column_of(scaled), o = column_of(log.outcome);
  Tensor mimic = at::zeros_like(s), outcome = at::zeros_like(o);
  BoostedSettings settings;
  settings.tree.depth = 6;
  settings.patience = 20;
  for (int64_t k = 0; k < folds; ++k) {
    const Tensor test = order.slice(0, k, log.rows(), folds);
    Tensor in_test = at::zeros({log.rows()}, at::kBool);
    in_test.index_fill_(0, test, true);
    const Tensor rest = at::nonzero(in_test.logical_not()).squeeze(1), watch = rest.slice(0, 0, rest.size(0), 8);
    Tensor in_watch = at::zeros({rest.size(0)}, at::kBool);
    in_watch.slice(0, 0, rest.size(0), 8).fill_(true);
    const Tensor learn = rest.index_select(0, at::nonzero(in_watch.logical_not()).squeeze(1));
    const auto fill = [&](Tensor& into, const Tensor& targets, Link loss) {
      settings.loss = loss;
      const TreeSum trees = fit_boosted(log.x.index_select(0, learn), targets.index_select(0, learn), settings,
                                        seed.stream("trees", static_cast<uint64_t>(k)), log.x.index_select(0, watch),
                                        targets.index_select(0, watch));
      into.index_copy_(0, test, predict(trees, log.x.index_select(0, test)).to(at::kDouble).view({-1, 1}));
    };
    fill(mimic, s, Link::identity);
    fill(outcome, o, log.binary ? Link::logistic : Link::identity);
  }
  const auto numbers = [](const Tensor& t) { return std::vector<double>(t.data_ptr<double>(), t.data_ptr<double>() + t.numel()); };
  return honesty_of(scaled, numbers(mimic.contiguous()), log.outcome, numbers(outcome.contiguous()), log.binary);
}

// In the planted world: how much of what was planted is flagged, and of the rest, by rows.
void judge_planted(const Findings& found, std::map<std::string, double>& metrics) {
  double hit = 0, planted = 0, wrong = 0, rest = 0;
  for (const BinView& bin : found.bins) {
    double inside = 0, rows = 0;
    for (int64_t i = 0; i < found.log.rows(); ++i) {
      if (found.bench.table.column(bin.feature)[i] != bin.code) continue;
      const auto x = static_cast<double>(found.log.x[i][bin.feature].item<float>());
      inside += bin.feature == 0 && x > kPlantedFrom && x <= kPlantedTo, rows += 1;
    }
    planted += inside, rest += rows - inside;
    if (bin.flagged && bin.difference.mean > 0) hit += inside;
    if (bin.flagged) wrong += rows - inside;
  }
  metrics["planted_found"] = 100 * hit / planted;
  metrics["falsely_flagged"] = 100 * wrong / rest;
}

void run_audit(Run& run) {
  const auto knobs = read_method_knobs<AuditKnobs>(run);
  const auto data = run.recipe.read<DataKnobs>("data");
  run.open();
  const AuditTable log = knobs.world.empty()
                             ? read_audit_table({data.source, knobs.score, knobs.outcome, knobs.features, knobs.days, data.missing})
                             : made_up_log(knobs.world, knobs.rows, run.seed.stream("log"), knobs.planted);
  check_audit_table(log);
  const StudentSettings settings = knobs.students();
  Findings found{log,
                 knobs.world.empty() ? knobs.score : "score",
                 knobs.world.empty() ? knobs.outcome : "outcome",
                 knobs.level,
                 {},
                 {},
                 {},
                 {},
                 {},
                 {},
                 {},
                 {},
                 false,
                 "",
                 {},
                 {}};
  found.scale = fit_score_scale(log.score, log.outcome, log.binary, knobs.scale);
  std::vector<double> scaled;
  for (const double s : log.score) scaled.push_back(found.scale(s));
  found.bench = set_up(log, scaled, settings, run.seed.stream("students"));
  const std::vector<float> ones(scaled.size(), 1);
  found.mimic = fit_additive(found.bench.table, found.bench.plan, found.bench.scaled, ones, found.bench.mimic.settings);
  if (!run.quiet)
    say(fmt::format("{} rows, {} features; the students take {} and {} rounds", log.rows(), log.columns.size(),
                    found.bench.mimic.settings.rounds, found.bench.outcomes.settings.rounds));
  auto& metrics = run.outcome.metrics;
  if (knobs.two) {
    found.outcome = fit_additive(found.bench.table, found.bench.plan, found.bench.outcome, ones, found.bench.outcomes.settings);
    found.held = held_out(found.bench, found.bench.scaled, found.bench.outcome, knobs.folds, run.seed.stream("folds"));
    found.transparent = honesty_of(scaled, found.held.mimic, log.outcome, found.held.outcome, log.binary);
    if (knobs.opaque) found.opaque = opaque_honesty(log, scaled, knobs.folds, run.seed.stream("folds"));
    found.residuals = correlation_test(found.held.score_residual, found.held.outcome_residual, knobs.level);
    found.tested = !found.bench.mimic.still_falling;
    if (!found.tested)
      found.untested =
          "the mimic was still learning when its rounds were used up; an under-fitted student looks as if features were missing";
    if (found.tested && knobs.null_draws > 0)
      found.null = null_correlations(found.bench, found.held, knobs.folds, knobs.null_draws, run.seed.stream("null"));
    metrics.insert({{"residual_correlation", found.residuals.pearson},
                    {"correlation_low", found.residuals.low},
                    {"correlation_high", found.residuals.high},
                    {"correlation_p", found.residuals.p},
                    {"spearman", found.residuals.spearman},
                    {"kendall", found.residuals.kendall},
                    {"rejected", found.missing_features() ? 1.0 : 0.0},
                    {"tested", found.tested ? 1.0 : 0.0},
                    {"mimic_r2", found.transparent.mimic_r2},
                    {"mimic_rmse", found.transparent.mimic_rmse},
                    {"outcome_auc", found.transparent.outcome_auc}});
    if (found.scale.linear && found.scale.slope != 0)
      metrics["mimic_rmse_score"] = found.transparent.mimic_rmse / std::abs(found.scale.slope);
    if (knobs.opaque)
      metrics.insert(
          {{"opaque_rmse", found.opaque.mimic_rmse}, {"opaque_r2", found.opaque.mimic_r2}, {"opaque_auc", found.opaque.outcome_auc}});
  }
  metrics["scale_r2"] = found.scale.r_squared;
  if (knobs.outer > 0) {
    found.bins = compare_bins(found.bench, settings, knobs.level, run.seed.stream("bags"));
    double width = 0, flagged = 0, rows = 0;
    for (const BinView& bin : found.bins) {
      const auto weight = static_cast<double>(bin.rows);
      width += weight * std::sqrt(bin.difference.variance), flagged += weight * bin.flagged, rows += weight;
    }
    metrics["band"] = 2 * normal_quantile(0.5 + knobs.level / 2) * width / rows;
    metrics["flagged"] = 100 * flagged / rows;
    if (knobs.world == "planted") judge_planted(found, metrics);
  }
  run.outcome.data = {{"name", log.name}, {"train", log.rows()}};
  write_findings(found, run.outcome);
}

}  // namespace

Method distill_compare() {
  MethodInfo info =
      MethodInfo("distill-compare")
          .paper(6)
          .in("audit")
          .needs(Access::none)
          .idea("two transparent students, of a score and of the outcome, show what the score uses and where that is not justified")
          .source("Tan et al. 2018, arXiv 1710.06169");
  info.verb = "audit";
  return {info,
          [] {
            AuditKnobs section;
            return knobs_of(section).all();
          },
          run_audit};
}

}  // namespace retort::audit

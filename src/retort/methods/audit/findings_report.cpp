// The report of an audit: what an auditor reads first, in sentences, and then what it rests on.
#include <cmath>
#include <numeric>

#include "retort/methods/audit/findings_words.h"
#include "retort/stats/ranking.h"
#include "retort/teachers/teacher.h"

namespace retort::audit {
namespace {
using nlohmann::json;

json curve_panel(const Findings& found, int64_t feature) {
  const double z = normal_quantile(0.5 + found.level / 2);
  const AuditColumn& column = found.log.columns[static_cast<size_t>(feature)];
  std::vector<const BinView*> bins;
  for (const BinView& bin : found.bins)
    if (bin.feature == feature) bins.push_back(&bin);
  const bool second = !found.outcome.curves.empty();
  const std::string y = found.log.binary ? "effect in log-odds" : "effect";
  const auto error = [&](const Spread& s) { return z * std::sqrt(s.variance); };
  const bool differs = std::any_of(bins.begin(), bins.end(), [](const BinView* bin) { return bin->flagged; });
  const std::string note = !second ? ""
                           : !differs
                               ? "Nowhere do the two differ clearly."
                               : fmt::format(column.category()
                                                 ? "▲ {} higher than outcomes justify, ▼ lower."
                                                 : "Tinted, with a bar on top: {} higher than outcomes justify; with a bar below: lower.",
                                             found.score_name);
  if (column.category()) {
    json names = json::array(), score = json::array(), outcome = json::array(), score_error = json::array(), outcome_error = json::array();
    for (const BinView* bin : bins) {
      const std::string value = bin->code == kMissingBin ? "no value"
                                                         : column.values[std::min<size_t>(bin->code, column.values.size() - 1)];
      names.push_back(value + (bin->flagged ? bin->difference.mean > 0 ? " ▲" : " ▼" : ""));
      score.push_back(bin->score.mean), score_error.push_back(error(bin->score)), outcome.push_back(bin->outcome.mean),
          outcome_error.push_back(error(bin->outcome));
    }
    json series = json::array({{{"name", "score"}, {"values", score}, {"errors", score_error}}});
    if (second) series.push_back({{"name", "outcome"}, {"values", outcome}, {"errors", outcome_error}});
    return {{"kind", "bars"}, {"title", column.name}, {"note", note}, {"y", y}, {"categories", names}, {"series", series}};
  }
  // A point a bin, at the mean of its values.
  std::array<double, 256> sum{}, rows{};
  for (int64_t i = 0; i < found.log.rows(); ++i) {
    const auto x = static_cast<double>(found.log.x[i][feature].item<float>());
    if (!std::isnan(x)) sum[found.bench.table.column(feature)[i]] += x, rows[found.bench.table.column(feature)[i]] += 1;
  }
  json score = json::array(), outcome = json::array(), score_band = json::array(), outcome_band = json::array(), marks = json::array();
  std::vector<double> at;
  std::vector<const BinView*> seen;
  std::string missing;
  for (const BinView* bin : bins) {
    if (bin->code == kMissingBin) {
      missing = fmt::format(" Rows without a value: score {:+.2f}, outcome {:+.2f}{}.", bin->score.mean, bin->outcome.mean,
                            bin->flagged ? " (differs)" : "");
      continue;
    }
    at.push_back(sum[bin->code] / rows[bin->code]);
    seen.push_back(bin);
    score.push_back({at.back(), bin->score.mean}),
        score_band.push_back({bin->score.mean - error(bin->score), bin->score.mean + error(bin->score)});
    outcome.push_back({at.back(), bin->outcome.mean}),
        outcome_band.push_back({bin->outcome.mean - error(bin->outcome), bin->outcome.mean + error(bin->outcome)});
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]->flagged) continue;
    const double left = i == 0 ? at[i] : (at[i - 1] + at[i]) / 2, right = i + 1 == at.size() ? at[i] : (at[i] + at[i + 1]) / 2;
    const int side = seen[i]->difference.mean > 0 ? 1 : -1;
    if (i > 0 && seen[i - 1]->flagged && marks.back()[2] == side)
      marks.back()[1] = right;
    else
      marks.push_back({left, right, side});
  }
  json series = json::array({{{"name", "score"}, {"points", score}, {"band", score_band}}});
  if (second) series.push_back({{"name", "outcome"}, {"points", outcome}, {"band", outcome_band}});
  return {{"kind", "lines"}, {"title", column.name}, {"note", note + missing}, {"x", column.name},
          {"y", y},          {"series", series},     {"marks", marks}};
}

json table_panel(const std::string& title, const std::string& note, json columns, json rows) {
  return {{"kind", "table"}, {"title", title}, {"note", note}, {"columns", std::move(columns)}, {"rows", std::move(rows)}};
}

json flagged_panel(const Findings& found) {
  json rows = json::array();
  for (const FlaggedRange& range : flagged_ranges(found.bins, true, found.log.columns)) {
    rows.push_back({{"feature", name_of(found, range.feature)},
                    {"range", range_in_words(found, range)},
                    {"rows", range.rows},
                    {"side", range.difference > 0 ? "higher" : "lower"},
                    {"difference", range.difference},
                    {"odds", std::exp(range.difference)}});
  }
  json columns = {{{"key", "feature"}, {"title", "feature"}},
                  {{"key", "range"}, {"title", "where"}},
                  {{"key", "rows"}, {"title", "rows"}, {"digits", 0}},
                  {{"key", "side"}, {"title", "score is"}},
                  {{"key", "difference"}, {"title", "difference"}, {"digits", 2}}};
  if (found.log.binary) columns.push_back({{"key", "odds"}, {"title", "times the odds"}, {"digits", 2}});
  return table_panel(
      "Where score and outcome part",
      fmt::format("Bins whose difference is not 0, at a false discovery rate of {:.0f} % over all {} bins, joined where they touch.",
                  100 * (1 - found.level), found.bins.size()),
      columns, rows);
}

json scale_panel(const Findings& found) {
  json groups = json::array(), line = json::array();
  for (const ScoreGroup& group : found.scale.groups)
    groups.push_back({group.score, group.level}), line.push_back({group.score, found.scale(group.score)});
  const std::string fit = found.scale.linear
                              ? fmt::format("A straight line fits (R² {:.3f}): one step of the score is {:.3f} in {}.",
                                            found.scale.r_squared, found.scale.slope, found.log.binary ? "log-odds" : "the outcome")
                              : fmt::format("A straight line does not fit (R² {:.3f}); a rising curve is used.", found.scale.r_squared);
  return {{"kind", "lines"},
          {"title", "From score to outcome"},
          {"note", fit + " Beyond the scores that occur nothing is known."},
          {"x", found.score_name},
          {"y", found.log.binary ? "log-odds of the outcome" : "mean outcome"},
          {"series", {{{"name", "rows by score"}, {"points", groups}}, {{"name", "used"}, {"points", line}}}}};
}

json test_panel(const Findings& found) {
  const double mean = found.null.empty()
                          ? 0
                          : std::accumulate(found.null.begin(), found.null.end(), 0.0) / static_cast<double>(found.null.size());
  double low = 0, high = 0;
  if (!found.null.empty())
    low = *std::min_element(found.null.begin(), found.null.end()), high = *std::max_element(found.null.begin(), found.null.end());
  json rows = {{{"what", "correlation of residuals (Pearson)"}, {"value", fmt::format("{:.3f}", found.residuals.pearson)}},
               {{"what", fmt::format("its {:.0f} % interval", 100 * found.level)},
                {"value", fmt::format("{:.3f} to {:.3f}", found.residuals.low, found.residuals.high)}},
               {{"what", "probability of one as large by chance"},
                {"value", found.residuals.p < 1e-4 ? "below 0.0001" : fmt::format("{:.4f}", found.residuals.p)}},
               {{"what", "by ranks (Spearman, Kendall)"},
                {"value", fmt::format("{:.3f}, {:.3f}", found.residuals.spearman, found.residuals.kendall)}}};
  if (!found.null.empty())
    rows.push_back({{"what", fmt::format("in {} logs that lack nothing", found.null.size())},
                    {"value", fmt::format("{:.3f} to {:.3f}, mean {:.3f}", low, high, mean)}});
  return table_panel("Are features missing?",
                     found.tested ? "Both students predict rows that they have not seen; what is left of score and outcome is compared."
                                  : "Not to be read: " + found.untested + ".",
                     {{{"key", "what"}, {"title", ""}}, {{"key", "value"}, {"title", "found"}}}, rows);
}

json honesty_panel(const Findings& found) {
  const auto row = [&](const std::string& name, const Honesty& h) {
    json values = {{"name", name}, {"rmse", h.mimic_rmse}, {"r2", h.mimic_r2}};
    if (found.scale.linear && found.scale.slope != 0) values["points"] = h.mimic_rmse / std::abs(found.scale.slope);
    values["outcome"] = found.log.binary ? h.outcome_auc : h.outcome_rmse;
    return values;
  };
  json rows = json::array({row("curves and pairs", found.transparent)});
  if (found.opaque.mimic_rmse > 0) rows.push_back(row("boosted trees, depth 6", found.opaque));
  json columns = {{{"key", "name"}, {"title", "student"}}, {{"key", "rmse"}, {"title", "score: typical error"}, {"digits", 3}}};
  if (found.scale.linear) columns.push_back({{"key", "points"}, {"title", "in points of the score"}, {"digits", 2}});
  columns.push_back({{"key", "r2"}, {"title", "score: R²"}, {"digits", 3}});
  columns.push_back({{"key", "outcome"}, {"title", found.log.binary ? "outcome: AUC" : "outcome: typical error"}, {"digits", 3}});
  return table_panel("How faithful the students are",
                     fmt::format("On rows not seen in training. {}", opaque_is_better(found)
                                                                         ? "The opaque student is more than 5 % better: allow more pairs."
                                                                         : "The opaque student is at most 5 % better at the score."),
                     columns, rows);
}

json strength_panel(const Findings& found) {
  json names = json::array(), score = json::array(), outcome = json::array();
  for (const int64_t j : by_movement(found)) {
    names.push_back(name_of(found, j)), score.push_back(movement(found, found.mimic, j));
    if (!found.outcome.curves.empty()) outcome.push_back(movement(found, found.outcome, j));
  }
  json series = json::array({{{"name", "score"}, {"values", score}}});
  if (!outcome.empty()) series.push_back({{"name", "outcome"}, {"values", outcome}});
  return {{"kind", "bars"},
          {"title", "How much each feature moves score and outcome"},
          {"note", "Deviation of a feature's curve over the rows. Features that go together share their part arbitrarily."},
          {"categories", names},
          {"series", series}};
}

// Features that go together: their curves are to be read together too.
json together_panel(const Findings& found) {
  const int64_t p = std::min<int64_t>(found.bench.table.columns(), 12);
  json names = json::array(), values = json::array();
  std::vector<std::vector<double>> terms;
  for (int64_t j = 0; j < p; ++j) {
    names.push_back(name_of(found, j));
    auto& term = terms.emplace_back();
    for (int64_t i = 0; i < found.log.rows(); ++i)
      term.push_back(found.mimic.curves[static_cast<size_t>(j)][found.bench.table.column(j)[i]]);
  }
  for (const auto& a : terms) {
    json row = json::array();
    for (const auto& b : terms) row.push_back(pearson(a, b));
    values.push_back(row);
  }
  return {{"kind", "heatmap"},
          {"title", "Which features go together"},
          {"note", "Correlation of the mimic's terms over the rows; near 1 or −1 two features could stand in for each other."},
          {"x", names},
          {"y", names},
          {"values", values},
          {"digits", 2}};
}

json learning_panel(const Findings& found) {
  const auto line = [](const std::string& name, const AdditiveChoice& choice) {
    json points = json::array();
    for (size_t i = 0; i < choice.curve.size(); ++i) points.push_back({i + 1, choice.curve[i] / choice.curve[0]});
    return json{{"name", name}, {"points", points}};
  };
  json series = json::array({line("score", found.bench.mimic)});
  if (!found.bench.outcomes.curve.empty()) series.push_back(line("outcome", found.bench.outcomes));
  return {{"kind", "lines"},
          {"title", "Have the students learned all they can?"},
          {"note", "Loss on a held-out fifth, curves first and then pairs. The lines must have become flat."},
          {"x", "round"},
          {"y", "of the first loss"},
          {"series", series}};
}

}  // namespace

void write_findings(const Findings& found, Outcome& outcome) {
  json& panels = outcome.panels;
  const bool two = !found.outcome.curves.empty();
  const std::vector<std::string> parts = where_it_parts(found);
  std::string lead = fmt::format("An audit of “{}” against “{}” on {} rows. {} {}", found.score_name, found.outcome_name,
                                 with_commas(found.log.rows()), what_it_uses(found), about_missing(found));
  json figures = json::array();
  if (two) {
    figures.push_back({{"value", fmt::format("{:.0f} %", 100 * std::max(0.0, found.transparent.mimic_r2))},
                       {"name", "of the score explained"},
                       {"detail", "by readable curves, on unseen rows"}});
    figures.push_back({{"value", !found.tested              ? "–"
                                 : found.missing_features() ? "probably"
                                                            : "no sign"},
                       {"name", "features missing?"},
                       {"detail", fmt::format("residuals correlate {:.2f}", found.residuals.pearson)}});
    if (const auto flagged = outcome.metrics.find("flagged"); flagged != outcome.metrics.end())
      figures.push_back({{"value", fmt::format("{:.0f} %", flagged->second)},
                         {"name", "of all curve values differ"},
                         {"detail", "score against outcome, weighted by rows"}});
  }
  panels.push_back({{"kind", "lead"}, {"title", "Audit"}, {"verb", "audit"}, {"text", lead}, {"figures", figures}});
  panels.push_back({{"kind", "text"}, {"title", "Where the score is not what outcomes justify"}, {"paragraphs", parts}});
  panels.push_back(
      {{"kind", "text"},
       {"title", "How far to trust this"},
       {"paragraphs",
        {how_far_to_trust(found),
         "A curve says what goes with a higher score when all else is equal in the log. It does not say why, and features that go together "
         "share their part arbitrarily. Outcomes are those that were recorded, with whatever was missed or wrongly recorded."}}});
  panels.push_back(strength_panel(found));
  if (!found.bins.empty())
    for (const int64_t j : by_movement(found)) panels.push_back(curve_panel(found, j));
  if (!found.bins.empty() && two) panels.push_back(flagged_panel(found));
  panels.push_back(scale_panel(found));
  if (two) panels.push_back(test_panel(found)), panels.push_back(honesty_panel(found));
  panels.push_back(learning_panel(found));
  panels.push_back(together_panel(found));
  if (found.log.left_out > 0)
    panels.push_back({{"kind", "text"},
                      {"title", "Rows left out"},
                      {"paragraphs", json::array({fmt::format("{} rows had no score or no outcome.", found.log.left_out)})}});
}

}  // namespace retort::audit

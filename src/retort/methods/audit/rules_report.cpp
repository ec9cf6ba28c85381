// What the audit shows: the columns, how faithful the surrogates are, rules in words, and single rows.
#include "retort/base/progress.h"
#include "retort/methods/audit/rules_surrogate.h"
#include "retort/stats/paired.h"
#include "retort/stats/ranking.h"
#include "retort/surrogates/fidelity.h"

namespace retort::audit {
namespace {
using nlohmann::json;

constexpr size_t kShownColumns = 25, kShownParts = 8;

json column(const std::string& key, const std::string& title, int digits = 2, const std::string& unit = "") {
  json made = {{"key", key}, {"title", title}, {"digits", digits}};
  if (!unit.empty()) made["unit"] = unit;
  return made;
}

std::string metric_name(std::string name) {
  for (char& c : name)
    if (c == ' ' || c == ',') c = '_';
  name.erase(std::unique(name.begin(), name.end(), [](char a, char b) { return a == '_' && b == '_'; }), name.end());
  return name;
}

Interval row_interval(const Tensor& values) {
  const Tensor list = values.to(at::kDouble).contiguous();
  return bootstrap_mean({list.data_ptr<double>(), list.data_ptr<double>() + list.numel()}, 0.95, 1000);
}

}  // namespace

void show_importance(Run& run, const Exhibit& exhibit, const Importance& importance, const Choice& choice, const Fit& main) {
  auto& metrics = run.outcome.metrics;
  metrics["k"] = static_cast<double>(main.columns.size());
  metrics["columns"] = static_cast<double>(exhibit.columns.size());
  metrics["asked"] = static_cast<double>(importance.asked);
  const size_t shown = std::min(kShownColumns, importance.order.size());
  json columns = {column("rank", "rank", 0), {{"key", "name"}, {"title", "column"}}};
  for (const Opinion& opinion : importance.opinions) columns.push_back(column(opinion.name, opinion.name, -1));
  json rows = json::array();
  for (size_t r = 0; r < shown; ++r) {
    const auto j = static_cast<size_t>(importance.order[r]);
    json row = {{"rank", r + 1}, {"name", exhibit.columns[j].name}};
    for (const Opinion& opinion : importance.opinions) row[opinion.name] = opinion.values[j];
    rows.push_back(row);
  }
  std::string note = fmt::format("By the mean of the ranks that {} give. The surrogate reads the first {}.",
                                 importance.opinions.size() > 1 ? "the opinions" : "it", main.columns.size());
  if (importance.null_max > 0)
    note += fmt::format(
        " Shuffling a column that tells nothing would seem to cost up to {:.2g} (95 % below {:.2g}): smaller permutation importances mean "
        "nothing.",
        importance.null_max, importance.null_95);
  if (importance.blocks)
    note += " Blocks of columns were shuffled first; those that cost no more than chance were not looked into, and their columns count 0.";
  run.outcome.panels.push_back(
      {{"kind", "table"}, {"title", "The columns that matter"}, {"note", note}, {"columns", columns}, {"rows", rows}});

  if (importance.opinions.size() > 1) {
    json names = json::array(), values = json::array();
    for (const Opinion& a : importance.opinions) {
      names.push_back(a.name);
      json line = json::array();
      for (const Opinion& b : importance.opinions) {
        line.push_back(kendall_tau(a.values, b.values));
        if (a.name < b.name) metrics[fmt::format("tau_{}_{}", a.name, b.name)] = line.back();
      }
      values.push_back(line);
    }
    run.outcome.panels.push_back({{"kind", "heatmap"},
                                  {"title", "Do the opinions agree?"},
                                  {"note", "Kendall's tau over all columns: 1 the same order, 0 no relation."},
                                  {"x", names},
                                  {"y", names},
                                  {"values", values},
                                  {"digits", 2}});
  }
  if (choice.tried.size() > 1) {
    json points = json::array();
    for (const auto& [k, fidelity] : choice.tried) points.push_back({k, fidelity});
    run.outcome.panels.push_back(
        {{"kind", "lines"},
         {"title", "How many columns are needed"},
         {"note",
          fmt::format("Fidelity on held-out rows that the test part has no share in; {} columns are within 0.01 of the best.", choice.k)},
         {"x", "columns"},
         {"y", "R²"},
         {"series", {{{"name", main.name}, {"points", points}}}}});
  }
}

void show_fidelity(Run& run, const Exhibit& exhibit, const std::vector<Fit>& fits, const std::vector<Rule>& rules,
                   const RulesKnobs& knobs) {
  auto& metrics = run.outcome.metrics;
  const Part& test = exhibit.test;
  json rows = json::array();
  const auto add = [&](const std::string& name, const Tensor& decided, std::optional<double> fidelity) {
    json values = {{"accuracy", 100 * agreement_share(decided, test.labels)},
                   {"f1", macro_f1(decided, test.labels)},
                   {"mcc", matthews(decided, test.labels)}};
    if (name != "black box")
      values.update({{"agreement", 100 * agreement_share(decided, test.decided)}, {"kappa", cohen_kappa(decided, test.decided)}});
    if (fidelity) values["r2"] = *fidelity;
    for (const auto& [key, value] : values.items()) metrics[metric_name(name) + "." + key] = value;
    if (name == knobs.surrogate)
      for (const auto& [key, value] : values.items()) metrics[key] = value;
    rows.push_back({{"name", name}, {"values", values}});
  };
  add("black box", test.decided, std::nullopt);
  for (const Fit& fit : fits) {
    const Tensor values = fit.values(test.x), decided = exhibit.decide(values);
    add(fit.name, decided, r_squared(values, exhibit.target(test)));
    if (fit.name != knobs.surrogate) continue;
    const Interval agrees = row_interval(decided == test.decided),
                   gap = row_interval((decided == test.labels).to(at::kDouble) - (test.decided == test.labels).to(at::kDouble));
    metrics["agreement_low"] = 100 * agrees.low;
    metrics["agreement_high"] = 100 * agrees.high;
    metrics["accuracy_gap_low"] = 100 * gap.low;
    metrics["accuracy_gap_high"] = 100 * gap.high;
    run.outcome.panels.push_back({{"kind", "text"},
                                  {"title", "How far the surrogate can be trusted"},
                                  {"paragraphs",
                                   {fmt::format("Of {} test rows the surrogate ({}, {} of {} columns) decides as the black box does for "
                                                "{:.1f} % (95 % interval {:.1f} to {:.1f}).",
                                                test.x.size(0), fit.name, fit.columns.size(), exhibit.columns.size(),
                                                100 * agreement_share(decided, test.decided), 100 * agrees.low, 100 * agrees.high),
                                    fmt::format("Against the true labels it is between {:.1f} points worse and {:.1f} points better than "
                                                "the black box. Fidelity is not accuracy: R² and agreement compare with what the black "
                                                "box says, accuracy with what is true.",
                                                std::max(0.0, -100 * gap.low), std::max(0.0, 100 * gap.high))}}});
  }
  const int64_t usual = at::bincount(exhibit.train.decided, {}, static_cast<int64_t>(exhibit.classes.size())).argmax().item<int64_t>();
  add("rules", decide_by(rules, test.x, usual), std::nullopt);
  run.outcome.table = {{"baseline", "black box"},
                       {"columns",
                        {{{"key", "r2"}, {"title", "R² of probabilities"}, {"better", "higher"}, {"digits", 3}},
                         {{"key", "agreement"}, {"title", "agreement"}, {"unit", "%"}, {"better", "higher"}, {"digits", 1}},
                         {{"key", "kappa"}, {"title", "kappa"}, {"better", "higher"}, {"digits", 3}},
                         {{"key", "accuracy"}, {"title", "accuracy"}, {"unit", "%"}, {"better", "higher"}, {"digits", 1}},
                         {{"key", "f1"}, {"title", "F1"}, {"better", "higher"}, {"digits", 3}},
                         {{"key", "mcc"}, {"title", "MCC"}, {"better", "higher"}, {"digits", 3}}}},
                       {"rows", rows}};
  metrics["rules"] = static_cast<double>(rules.size());
  metrics["rules_coverage"] = 100 * covered_share(rules, test.x);
  const Tensor listed = decide_by(rules, test.x, -1), covered = at::nonzero(listed >= 0).squeeze(1);
  metrics["rules_confidence"] = covered.numel() > 0
                                    ? 100 * agreement_share(listed.index_select(0, covered), test.decided.index_select(0, covered))
                                    : 0;
  json shown = json::array();
  for (size_t r = 0; r < rules.size(); ++r) {
    Rule rule = rules[r];
    measure(rule, test.x, test.decided);
    shown.push_back({{"rank", r + 1},
                     {"rule", in_words(rule, exhibit.columns)},
                     {"decision", exhibit.classes[static_cast<size_t>(rule.decision)]},
                     {"coverage", 100 * rule.coverage},
                     {"confidence", 100 * rule.confidence},
                     {"lift", rule.lift}});
  }
  run.outcome.panels.push_back(
      {{"kind", "table"},
       {"title", "What the black box does, in rules"},
       {"note", fmt::format("Read from the top, the first rule that holds decides. Together they hold for {:.1f} % of the test rows, and "
                            "the black box decides as they say for {:.1f} % of these. Confidence and coverage are of the test part.",
                            metrics["rules_coverage"], metrics["rules_confidence"])},
       {"columns",
        {column("rank", "", 0),
         {{"key", "rule"}, {"title", "rule"}},
         {{"key", "decision"}, {"title", "decision"}},
         column("coverage", "coverage", 1, "%"),
         column("confidence", "confidence", 1, "%"),
         column("lift", "lift")}},
       {"rows", shown}});
  if (!run.quiet) {
    say(
        fmt::format("{} of {} columns; R² {:.3f}, agreement {:.1f} %; accuracy {:.1f} % (black box {:.1f} %); {} rules cover {:.1f} % and "
                    "are right about {:.1f} % of these",
                    metrics["k"], metrics["columns"], metrics["r2"], metrics["agreement"], metrics["accuracy"],
                    metrics["black_box.accuracy"], rules.size(), metrics["rules_coverage"], metrics["rules_confidence"]));
  }
}

void show_rows(Run& run, const Exhibit& exhibit, const Fit& main, const std::vector<Explained>& rows) {
  auto& metrics = run.outcome.metrics;
  double nearest = 0, flips = 0, found = 0, alike = 0, examples = 0;
  for (const Explained& row : rows) {
    found += row.found;
    nearest += row.nearest_flips;
    flips += row.flips;
    if (row.parts.size() > 1) alike += spearman(row.parts, row.box_parts), ++examples;
  }
  if (!rows.empty()) {
    const double all = static_cast<double>(rows.size());
    metrics["counterfactuals_found"] = 100 * found / all;
    metrics["nearest_flips"] = found > 0 ? 100 * nearest / found : 0;
    metrics["counterfactuals_flip"] = found > 0 ? 100 * flips / found : 0;
    run.outcome.panels.push_back(
        {{"kind", "text"},
         {"title", "Counterfactuals"},
         {"paragraphs",
          {fmt::format("For {:.0f} of {} test rows the tree knows a leaf of another decision that may be reached. Asked, the black box "
                       "changes its mind at the nearest of them for {:.1f} %, and at some of them, "
                       "tried by rising cost, for {:.1f} %. Where it does not, the change below is what the surrogate thought, not what "
                       "the black box does.",
                       found, rows.size(), metrics["nearest_flips"], metrics["counterfactuals_flip"])}}});
  }
  if (examples > 0) metrics["local_agreement"] = alike / examples;
  for (const Explained& row : rows) {
    if (row.parts.empty()) continue;
    const std::string said = exhibit.classes[static_cast<size_t>(exhibit.test.decided[row.row].item<int64_t>())];
    std::vector<size_t> order(row.parts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return std::abs(row.parts[a]) > std::abs(row.parts[b]); });
    order.resize(std::min(order.size(), kShownParts));
    json names = json::array(), parts = json::array(), box = json::array();
    const Tensor values = exhibit.test.x[row.row];
    for (const size_t j : order) {
      const Column& one = exhibit.columns[static_cast<size_t>(main.columns[j])];
      names.push_back(fmt::format("{} = {}", one.name, value_in_words(one, values[main.columns[j]].item<double>())));
      parts.push_back(row.parts[j]);
      box.push_back(row.box_parts[j]);
    }
    std::string change = "No leaf of another decision can be reached.";
    if (row.found) {
      std::vector<std::string> words;
      for (const int64_t j : row.change.changed) {
        const auto at = main.columns[static_cast<size_t>(j)];
        const Column& one = exhibit.columns[static_cast<size_t>(at)];
        words.push_back(fmt::format("{} from {} to {}", one.name, value_in_words(one, values[at].item<double>()),
                                    value_in_words(one, row.change.row[j].item<double>())));
      }
      change = fmt::format("With {}, {}.", fmt::join(words, " and "),
                           row.flips ? fmt::format("the black box decides {}", exhibit.classes[static_cast<size_t>(row.now)])
                                     : "the surrogate would decide otherwise, and the black box does not");
    }
    run.outcome.panels.push_back({{"kind", "bars"},
                                  {"title", fmt::format("Test row {}: the black box says {}", row.row + 1, said)},
                                  {"note", fmt::format("The tree's reason: {}. {} The bars: what each column adds to the probability of "
                                                       "{}, from {:.2f} on average to the surrogate's {:.2f}.",
                                                       row.path, change, said, row.base, row.value)},
                                  {"categories", names},
                                  {"series", {{{"name", "surrogate"}, {"values", parts}}, {{"name", "black box"}, {"values", box}}}}});
  }
}

}  // namespace retort::audit

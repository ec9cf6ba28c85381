#include "retort/catalogue/study_report.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "retort/stats/paired.h"

namespace retort {
namespace {
using nlohmann::json;

const char* const kTitles[kFactors] = {"temperature", "weight of the teacher", "student", "teacher", "labels"};

double standard_error(const std::vector<double>& values) {
  return standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}
json number(const std::optional<double>& value) { return value ? json(*value) : json(); }

json labels_of(const StudyDesign& design, Factor factor) {
  json labels = json::array();
  for (size_t level = 0; level < design.levels(factor); ++level) labels.push_back(design.label(factor, level));
  return labels;
}

// Mean validation accuracy at each pair of levels: over the screening, over the factorial, or (given `around`) with all else as in that cell. Cells
// without a teacher stand for every temperature and teacher; a pair that was never run is empty.
json heat_map(const StudyDesign& design, const StudyResults& results, Factor across, Factor down, bool screening,
              const Cell* around = nullptr) {
  json rows = json::array();
  for (size_t y = 0; y < design.levels(down); ++y) {
    json row = json::array();
    for (size_t x = 0; x < design.levels(across); ++x) {
      double sum = 0, count = 0;
      for (const auto& entry : results.entries) {
        if (entry.screening != screening || (!screening && !around && !entry.factorial)) continue;
        Cell asked = around ? *around : entry.cell;
        asked[across] = x, asked[down] = y;
        if (design.canonical(asked) != entry.cell) continue;
        sum += entry.result.metrics.at("val.accuracy"), ++count;
      }
      row.push_back(count > 0 ? json(sum / count) : json());
    }
    rows.push_back(row);
  }
  return {{"kind", "heatmap"},
          {"title", fmt::format("{} by {} and {}", screening ? "Screening: accuracy" : "Accuracy", kTitles[down], kTitles[across])},
          {"note", screening ? "One seed and fewer epochs; on the validation part, in %."
                   : around  ? "All else as recommended; on the validation part, in %."
                             : "Means of the confirming runs on the validation part, in %."},
          {"x", labels_of(design, across)},
          {"y", labels_of(design, down)},
          {"values", rows},
          {"digits", 1}};
}

// What each level gains against the recommended one, per seed, over the runs that differ in nothing else.
json main_effects(const StudyDesign& design, const StudyResults& results) {
  const Cell best = best_cell(design, results);
  json categories = json::array(), heights = json::array(), errors = json::array();
  for (size_t factor = 0; factor < kFactors; ++factor) {
    for (size_t level = 0; level < design.levels(static_cast<Factor>(factor)); ++level) {
      std::map<int64_t, std::vector<double>> by_seed;
      for (const auto& entry : results.entries) {
        if (entry.screening || entry.cell[factor] != level) continue;
        Cell other = entry.cell;
        other[factor] = best[factor];
        if (other == entry.cell || design.canonical(other) != other || design.canonical(entry.cell) != entry.cell) continue;
        for (const auto& match : results.entries)
          if (!match.screening && match.cell == other && match.seed == entry.seed)
            by_seed[entry.seed].push_back(entry.result.metrics.at("val.accuracy") - match.result.metrics.at("val.accuracy"));
      }
      if (by_seed.empty()) continue;
      std::vector<double> means;
      for (const auto& [seed, differences] : by_seed) means.push_back(mean(differences));
      categories.push_back(fmt::format("{} {}", kTitles[factor], design.label(static_cast<Factor>(factor), level)));
      heights.push_back(mean(means));
      errors.push_back(standard_error(means));
    }
  }
  return {{"kind", "bars"},
          {"title", "Main effects"},
          {"note",
           "Points that a level gains or loses against the recommended one, all else equal; whiskers are standard errors over the seeds."},
          {"y", "points"},
          {"categories", categories},
          {"series", {{{"name", "student"}, {"values", heights}, {"errors", errors}}}}};
}

json capacity(const StudyDesign& design, const StudyResults& results, const Cell& best) {
  json with = json::array(), without = json::array(), teacher = json::array();
  for (const bool taught : {true, false}) {
    for (const Cell& cell : design.students(best, taught)) {
      const auto size = results.mean_of(cell, "parameters"), accuracy = results.mean_of(cell, "val.accuracy");
      if (!size || !accuracy) continue;
      (taught ? with : without).push_back({*size, *accuracy});
      if (taught) teacher.push_back({*size, number(results.mean_of(cell, "teacher.val.accuracy"))});
    }
  }
  return {
      {"kind", "lines"},
      {"title", "How small can the student be?"},
      {"note", "Accuracy on the validation part with the recommended settings, without a teacher, and of the teacher."},
      {"x", "parameters"},
      {"y", "%"},
      {"series",
       {{{"name", "student"}, {"points", with}}, {{"name", "alone"}, {"points", without}}, {{"name", "teacher"}, {"points", teacher}}}}};
}

// Students that no other beats in accuracy, size and time at once.
json pareto(const StudyDesign& design, const StudyResults& results, const StudyLatency& latency) {
  struct Point {
    Cell cell;
    double accuracy, parameters, time;
  };
  std::vector<Point> points;
  for (const Cell& cell : results.confirmed()) {
    const auto time = latency.find(design.label(kStudent, cell[kStudent]));
    points.push_back(
        {cell, *results.mean_of(cell, "val.accuracy"), *results.mean_of(cell, "parameters"), time == latency.end() ? 0 : time->second});
  }
  json rows = json::array();
  for (const Point& point : points) {
    const bool beaten = std::any_of(points.begin(), points.end(), [&](const Point& other) {
      const bool as_good = other.accuracy >= point.accuracy && other.parameters <= point.parameters && other.time <= point.time;
      return as_good && (other.accuracy > point.accuracy || other.parameters < point.parameters ||
                         (other.time < point.time && other.cell < point.cell));
    });
    if (!beaten)
      rows.push_back(
          {{"name", design.text(point.cell)}, {"accuracy", point.accuracy}, {"parameters", point.parameters}, {"time", point.time}});
  }
  return {{"kind", "table"},
          {"title", "Pareto front"},
          {"note", "Configurations that no other beats in accuracy (validation part), size and time at once."},
          {"columns",
           {{{"key", "name"}, {"title", "configuration"}},
            {{"key", "accuracy"}, {"title", "accuracy"}, {"unit", "%"}, {"digits", 2}},
            {{"key", "parameters"}, {"title", "parameters"}, {"digits", 0}},
            {{"key", "time"}, {"title", "time"}, {"unit", "us/image"}, {"digits", 2}}}},
          {"rows", rows}};
}

// How much the teachers' softened answers tell, by temperature.
json dark_knowledge(const StudyDesign& design, const StudyResults& results, const std::string& metric, const std::string& title,
                    const std::string& y) {
  json series = json::array();
  for (size_t teacher = 0; teacher < design.levels(kTeacher); ++teacher) {
    const auto entry = std::find_if(results.entries.begin(), results.entries.end(),
                                    [&](const auto& one) { return one.cell[kTeacher] == teacher; });
    if (entry == results.entries.end()) continue;
    json points = json::array();
    for (const double temperature : design.knobs().temperatures) {
      const auto value = entry->result.metrics.find(fmt::format("{}@{:g}", metric, temperature));
      if (value != entry->result.metrics.end()) points.push_back({temperature, value->second});
    }
    series.push_back({{"name", design.label(kTeacher, teacher)}, {"points", points}});
  }
  return {{"kind", "lines"}, {"title", title}, {"x", "temperature"}, {"y", y}, {"series", series}};
}

json all_runs(const StudyDesign& design, const StudyResults& results) {
  const std::vector<std::array<const char*, 4>> columns = {{"val.accuracy", "accuracy", "%", "2"},
                                                           {"val.nll", "NLL", "", "4"},
                                                           {"val.ece", "ECE", "%", "2"},
                                                           {"val.agreement", "agrees with teacher", "%", "2"},
                                                           {"val.kl", "KL to teacher", "", "4"},
                                                           {"gap", "training minus validation", "%", "2"},
                                                           {"gradient_ratio", "gradient KD / CE at the start", "", "2"}};
  json heads = {{{"key", "name"}, {"title", "run"}},
                {{"key", "round"}, {"title", "round"}},
                {{"key", "seed"}, {"title", "seed"}, {"digits", 0}}},
       rows = json::array();
  for (const auto& column : columns)
    heads.push_back({{"key", column[0]}, {"title", column[1]}, {"unit", column[2]}, {"digits", std::stoi(column[3])}});
  for (const auto& entry : results.entries) {
    json row = {{"name", design.text(entry.cell)}, {"round", entry.screening ? "screening" : "confirmation"}, {"seed", entry.seed}};
    for (const auto& column : columns)
      if (const auto value = entry.result.metrics.find(column[0]); value != entry.result.metrics.end()) row[column[0]] = value->second;
    rows.push_back(row);
  }
  return {
      {"kind", "table"}, {"title", "Every run"}, {"note", "All figures are of the validation part."}, {"columns", heads}, {"rows", rows}};
}

// The one look at the test part: the recommended student, its twin without a teacher, the teacher.
void read_test(const StudyDesign& design, const StudyResults& results, const Recommendation& advice, const StudyLatency& latency,
               Outcome& outcome) {
  const Cell alone = design.without_teacher(advice.best);
  json rows = json::array();
  const auto row = [&](const std::string& name, const Cell& cell, const std::string& prefix, const std::string& as) {
    json values = json::object();
    for (const char* metric : {"accuracy", "nll", "ece", "agreement", "parameters"}) {
      const auto value = results.mean_of(cell, prefix + metric);
      if (!value) continue;
      values[metric] = *value;
      outcome.metrics[as + metric] = *value;
    }
    const auto time = latency.find(design.label(kStudent, cell[kStudent]));
    if (prefix.empty() && time != latency.end()) values["latency_64"] = time->second;
    if (!values.empty()) rows.push_back({{"name", name}, {"values", values}});
  };
  row("teacher", advice.best, "teacher.", "teacher.");
  row("alone", alone, "", "ce.");
  row("student", advice.best, "", "");
  const auto column = [](const char* key, const char* title, const char* unit, const char* better, int digits) {
    return json{{"key", key}, {"title", title}, {"unit", unit}, {"better", better}, {"digits", digits}};
  };
  outcome.table = {
      {"columns",
       {column("accuracy", "accuracy", "%", "higher", 2), column("nll", "NLL", "", "lower", 4), column("ece", "ECE", "%", "lower", 2),
        column("agreement", "agrees with teacher", "%", "higher", 2), column("parameters", "parameters", "", "lower", 0),
        column("latency_64", "latency, batch 64", "us/image", "lower", 2)}},
      {"rows", rows}};
  double above = 0;
  const std::vector<Cell> taught = design.students(advice.taught, true), untaught = design.students(advice.taught, false);
  for (size_t student = 0; student < design.levels(kStudent); ++student) {
    const auto with = results.mean_of(taught[student], "accuracy"), without = results.mean_of(untaught[student], "accuracy"),
               teacher = results.mean_of(taught[student], "teacher.accuracy");
    if (with && without) outcome.metrics["gain." + design.label(kStudent, student)] = *with - *without;
    if (with && teacher && *with > *teacher) ++above;
  }
  outcome.metrics["above_teacher"] = above;
}

void add_metrics(const StudyDesign& design, const StudyResults& results, const Recommendation& advice, Outcome& outcome) {
  auto& metrics = outcome.metrics;
  metrics["runs"] = static_cast<double>(results.entries.size());
  metrics["temperature"] = design.knobs().temperatures[advice.best[kTemperature]];
  metrics["w_kd"] = design.knobs().weights[advice.best[kWeight]];
  if (advice.smallest) metrics["smallest_parameters"] = *results.mean_of(*advice.smallest, "parameters");
  double least_step = std::numeric_limits<double>::infinity();
  for (const auto& entry : results.entries) {
    std::map<double, double> entropy;
    for (const double temperature : design.knobs().temperatures)
      if (const auto value = entry.result.metrics.find(fmt::format("entropy@{:g}", temperature)); value != entry.result.metrics.end())
        entropy[temperature] = value->second;
    for (auto at = entropy.begin(); at != entropy.end() && std::next(at) != entropy.end(); ++at)
      least_step = std::min(least_step, std::next(at)->second - at->second);
  }
  if (std::isfinite(least_step)) metrics["entropy_step"] = least_step;
  std::vector<std::pair<double, double>> by_teacher;  // the teacher's accuracy, that of the middle student
  for (size_t teacher = 0; teacher < design.levels(kTeacher); ++teacher) {
    Cell cell = advice.taught;
    cell[kStudent] = design.centre()[kStudent], cell[kTeacher] = teacher;
    const auto own = results.mean_of(cell, "teacher.val.accuracy"), taught = results.mean_of(cell, "accuracy");
    if (own && taught) by_teacher.emplace_back(*own, *taught);
  }
  std::stable_sort(by_teacher.begin(), by_teacher.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (by_teacher.size() > 1) metrics["teacher_gain"] = by_teacher.back().second - by_teacher.front().second;
}

}  // namespace

void report_study(const StudyDesign& design, const StudyResults& results, const Recommendation& advice, const StudyLatency& latency,
                  Outcome& outcome) {
  read_test(design, results, advice, latency, outcome);
  add_metrics(design, results, advice, outcome);
  json paragraphs = {advice.text};
  for (const std::string& warning : advice.warnings) paragraphs.push_back("Note: " + warning);
  outcome.panels = {{{"kind", "text"}, {"title", "Recommendation"}, {"paragraphs", paragraphs}},
                    heat_map(design, results, kTemperature, kWeight, /*screening=*/true),
                    heat_map(design, results, kTemperature, kWeight, /*screening=*/false),
                    heat_map(design, results, kStudent, kTeacher, /*screening=*/false, &advice.taught),
                    capacity(design, results, advice.taught),
                    main_effects(design, results),
                    dark_knowledge(design, results, "entropy", "What softened answers say: entropy", "nats"),
                    dark_knowledge(design, results, "off_top", "What softened answers say: share of all classes but the likeliest", "%"),
                    pareto(design, results, latency),
                    all_runs(design, results)};
  if (design.levels(kFraction) > 1)
    outcome.panels.push_back(heat_map(design, results, kFraction, kStudent, /*screening=*/false, &advice.taught));
}

}  // namespace retort

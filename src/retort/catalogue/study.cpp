#include "retort/catalogue/study.h"

#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/progress.h"
#include "retort/base/version.h"
#include "retort/catalogue/study_report.h"
#include "retort/catalogue/version.h"
#include "retort/nets/model_file.h"
#include "retort/stats/paired.h"

namespace retort {

std::vector<double> StudyResults::values(const Cell& cell, const std::string& metric, bool screening) const {
  std::vector<double> found;
  for (const Entry& entry : entries) {
    if (entry.cell != cell || entry.screening != screening) continue;
    const auto value = entry.result.metrics.find(metric);
    if (value != entry.result.metrics.end()) found.push_back(value->second);
  }
  return found;
}

std::optional<double> StudyResults::mean_of(const Cell& cell, const std::string& metric, bool screening) const {
  const std::vector<double> found = values(cell, metric, screening);
  return found.empty() ? std::nullopt : std::optional<double>(mean(found));
}

std::vector<Cell> StudyResults::confirmed() const {
  std::set<Cell> cells;
  for (const Entry& entry : entries)
    if (!entry.screening) cells.insert(entry.cell);
  return {cells.begin(), cells.end()};
}

double study_score(const StudyDesign& design, const std::map<std::string, double>& metrics) {
  return design.knobs().choose_by == "nll" ? -metrics.at("val.nll") : metrics.at("val.accuracy");
}

Cell best_cell(const StudyDesign& design, const StudyResults& results, bool with_teacher) {
  Cell best{};
  double most = -std::numeric_limits<double>::infinity();
  for (const Cell& cell : results.confirmed()) {
    if (with_teacher && !design.has_teacher(cell)) continue;
    const double sign = design.knobs().choose_by == "nll" ? -1 : 1,
                 score = sign * *results.mean_of(cell, sign < 0 ? "val.nll" : "val.accuracy");
    if (score > most) most = score, best = cell;
  }
  return std::isfinite(most) || !with_teacher ? best : best_cell(design, results);
}

namespace {

double standard_error(const std::vector<double>& values) {
  return standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

std::vector<std::string> warnings_of(const StudyDesign& design, const StudyResults& results, const Cell& best, const Cell& taught) {
  std::vector<std::string> warnings;
  const Cell alone = design.without_teacher(best);
  const double without = *results.mean_of(alone, "val.accuracy");
  if (best == alone)
    warnings.push_back(
        "No temperature and weight that were tried beat the labels alone: distillation from these teachers brings nothing here.");
  std::vector<std::pair<double, std::pair<double, size_t>>> teachers;  // its own accuracy, its student's, which
  for (size_t teacher = 0; teacher < design.levels(kTeacher); ++teacher) {
    Cell cell = taught;
    cell[kStudent] = design.centre()[kStudent], cell[kTeacher] = teacher;
    cell = design.canonical(cell);
    const auto own = results.mean_of(cell, "teacher.val.accuracy"), taught = results.mean_of(cell, "val.accuracy");
    if (!own || !taught) continue;
    if (cell[kTeacher] == teacher) teachers.push_back({*own, {*taught, teacher}});
    if (cell[kTeacher] == teacher && *own < without)
      warnings.push_back(fmt::format("Teacher \"{}\" ({:.2f} %) is worse than {} without a teacher ({:.2f} %).",
                                     design.label(kTeacher, teacher), *own, design.label(kStudent, best[kStudent]), without));
  }
  std::sort(teachers.begin(), teachers.end());
  for (size_t i = 1; i < teachers.size(); ++i) {
    const auto& [worse, less] = teachers[i - 1];
    const auto& [better, more] = teachers[i];
    if (better > worse && more.first < less.first)
      warnings.push_back(
          fmt::format("A better teacher makes a worse student: \"{}\" ({:.2f} %) leaves {} at {:.2f} %, \"{}\" ({:.2f} %) at {:.2f} %.",
                      design.label(kTeacher, less.second), worse, design.label(kStudent, design.centre()[kStudent]), less.first,
                      design.label(kTeacher, more.second), better, more.first));
  }
  if (results.values(best, "val.accuracy").size() < 2)
    warnings.push_back("Every figure comes from one seed: differences below a point or two mean nothing.");
  return warnings;
}

}  // namespace

Recommendation recommend(const StudyDesign& design, const StudyResults& results) {
  Recommendation advice;
  advice.best = best_cell(design, results);
  advice.taught = best_cell(design, results, /*with_teacher=*/true);
  const std::vector<double> reached = results.values(advice.best, "val.accuracy");
  const auto teacher = results.mean_of(advice.best, "teacher.val.accuracy"),
             alone = results.mean_of(design.without_teacher(advice.best), "val.accuracy");
  advice.text = fmt::format("Take {}: with {:.2f} ± {:.2f} % on the validation part it is the best of {} configurations ({} seed{} each)",
                            design.text(advice.best), mean(reached), standard_error(reached), results.confirmed().size(), reached.size(),
                            reached.size() == 1 ? "" : "s");
  if (alone && advice.best != design.without_teacher(advice.best))
    advice.text += fmt::format("; the same student without a teacher reaches {:.2f} %", *alone);
  advice.text += teacher ? fmt::format(", the teacher {:.2f} %.", *teacher) : ".";
  std::optional<double> bar;  // the best teacher
  for (const auto& entry : results.entries) {
    const auto own = entry.result.metrics.find("teacher.val.accuracy");
    if (own != entry.result.metrics.end()) bar = std::max(bar.value_or(own->second), own->second);
  }
  for (const Cell& cell : design.students(advice.taught, /*teacher=*/true)) {
    const auto accuracy = results.mean_of(cell, "val.accuracy"), parameters = results.mean_of(cell, "parameters");
    if (!accuracy || !bar || *accuracy < *bar - design.knobs().epsilon) continue;
    if (!advice.smallest || *parameters < *results.mean_of(*advice.smallest, "parameters")) advice.smallest = cell;
  }
  if (advice.smallest)
    advice.text += fmt::format(" The smallest student within {:g} point{} of the best teacher is {} ({:.2f} %, {:.0f} parameters).",
                               design.knobs().epsilon, design.knobs().epsilon == 1 ? "" : "s", design.text(*advice.smallest),
                               *results.mean_of(*advice.smallest, "val.accuracy"), *results.mean_of(*advice.smallest, "parameters"));
  else if (bar)
    advice.text += fmt::format(" No student comes within {:g} of the best teacher.", design.knobs().epsilon);
  advice.warnings = warnings_of(design, results, advice.best, advice.taught);
  return advice;
}

namespace {

// The rounds of a study, each a list of runs in worker processes; what is there already is not run again.
class Study {
 public:
  Study(Run& run, Recipe base, const StudyDesign& design, int64_t epochs)
      : run_(run), base_(std::move(base)), design_(design), epochs_(epochs) {}
  StudyResults results;

  void round(const std::string& name, const std::vector<Cell>& cells, bool screening, int64_t seeds) {
    std::vector<ProofJob> jobs;
    std::vector<StudyResults::Entry> entries;
    for (const Cell& cell : cells) {
      for (int64_t i = 0; i < seeds; ++i) {
        const int64_t seed = run_.settings.seed + i;
        const auto there = [&](const StudyResults::Entry& entry) {
          return entry.cell == cell && entry.screening == screening && entry.seed == seed;
        };
        if (std::any_of(results.entries.begin(), results.entries.end(), there)) continue;
        jobs.push_back(job(cell, screening, seed));
        entries.push_back({cell, screening, seed, {}, jobs.back().folder, name == "confirmation"});
      }
    }
    Progress progress(name, static_cast<int64_t>(jobs.size()), run_.quiet);
    int64_t done = 0;
    const std::vector<ProofResult> found = run_jobs(jobs, run_.place.jobs, [&](size_t which, const ProofResult& result) {
      const auto value = result.metrics.find("val.accuracy");
      progress.advance_to(++done, fmt::format("{}: {}", design_.text(entries[which].cell),
                                              value == result.metrics.end() ? "failed" : fmt::format("{:.2f} %", value->second)));
    });
    progress.finish();
    for (size_t i = 0; i < found.size(); ++i) {
      if (!found[i].error.empty())
        throw ConfigError(fmt::format("{}: {}", design_.text(entries[i].cell), found[i].error),
                          "a study needs every run; the same command with --resume goes on from here");
      entries[i].result = found[i];
      run_.log_row(
          {{"phase", name}, {"kind", "cell"}, {"step", results.entries.size()}, {"val_accuracy", found[i].metrics.at("val.accuracy")}});
      results.entries.push_back(entries[i]);
    }
  }

 private:
  Run& run_;
  Recipe base_;
  const StudyDesign& design_;
  int64_t epochs_;

  // One seed draws the data and the teachers for all; the runs' own seeds draw the students.
  ProofJob job(const Cell& cell, bool screening, int64_t seed) const {
    ProofJob job{design_.text(cell), seed, "", base_};
    Recipe& recipe = job.recipe;
    recipe.set("method=kd.measured");
    for (const std::string& set : design_.sets(cell)) recipe.set(set);
    for (const char* key : {"data.split_seed", "teacher.seed"})
      if (!recipe.has(key)) recipe.set(fmt::format("{}={}", key, run_.settings.seed));
    if (!recipe.has("teacher.data.label_fraction"))
      recipe.set("teacher.data.label_fraction=1.0");  // the student has few labels, not the teacher
    recipe.set(
        fmt::format("train.epochs={}",
                    screening ? std::max<int64_t>(1, std::llround(design_.knobs().screening * static_cast<double>(epochs_))) : epochs_));
    recipe.set("run.latency=false");
    recipe.set("run.threads=1");
    recipe.set(fmt::format("seed={}", seed));
    recipe.set(fmt::format("knobs.temperatures={}", to_toml(design_.knobs().temperatures)));
    job.folder = fmt::format("{}/cells/{}", run_.dir, hex_digest(recipe.digest() + kVersion + sources_digest()));
    recipe.set("run.dir=" + to_toml(job.folder));
    return job;
  }
};

StudyLatency latency_of(const StudyDesign& design, const StudyResults& results, const Cell& best) {
  StudyLatency latency;
  for (const Cell& cell : design.students(best, /*teacher=*/false)) {
    const auto entry = std::find_if(results.entries.begin(), results.entries.end(),
                                    [&](const auto& one) { return one.cell == cell && !one.screening; });
    const Net net = load_model(entry->folder).net;
    std::vector<int64_t> shape = net.input_shape();
    shape.insert(shape.begin(), 64);
    latency[design.label(kStudent, cell[kStudent])] = latency_per_image(net, at::zeros(shape), 64);
  }
  return latency;
}

void run_study(Run& run) {
  const Recipe base = run.recipe;
  const auto knobs = read_method_knobs<StudyKnobs>(run);
  Recipe sections = base;
  const auto data = sections.read<DataKnobs>("data");
  const auto train = sections.read<TrainKnobs>("train");
  for (const char* section : {"data", "views", "teacher", "student", "train"}) run.recipe.take(section);
  if (!sections.has("teacher"))
    throw ConfigError(run.recipe.name() + ": a study needs a teacher",
                      "add a [teacher] section; knobs.teachers says in what the teachers differ from it");
  if (data.validation == 0)
    throw ConfigError(run.recipe.where("data") + ": data.validation: a study chooses on a validation part",
                      "set data.validation to some hundred rows; the test part is read once, at the end");
  if (sections.has("train.stages"))
    throw ConfigError(run.recipe.where("train.stages") + ": train.stages: a study screens with fewer epochs, which stages do not allow",
                      "set train.epochs alone");
  const StudyDesign design(knobs);
  if (knobs.budget > 0 && knobs.budget < 1)
    throw BudgetError(fmt::format("{}: knobs.budget: {:g} trainings are less than one run", run.recipe.where("knobs.budget"), knobs.budget),
                      "a budget counts trainings of full length");
  if (const double screening = knobs.screening * static_cast<double>(design.screening().size());
      knobs.budget > 0 && knobs.budget < screening)
    throw BudgetError(fmt::format("{}: knobs.budget: screening alone costs {:.1f} trainings, and {:g} are allowed",
                                  run.recipe.where("knobs.budget"), screening, knobs.budget),
                      "raise it, study fewer levels, or set knobs.joint = false");
  run.open();

  Study study(run, base, design, train.epochs);
  study.round("screening", design.screening(), /*screening=*/true, 1);
  CellScores screened;
  for (const auto& entry : study.results.entries) screened[entry.cell] = study_score(design, entry.result.metrics);
  const StudyDesign::Affordable plan = design.affordable(screened);
  study.round("confirmation", design.factorial(plan.kept), /*screening=*/false, plan.seeds);
  // Curves may hold a better cell, whose own curves are then drawn as well, where no budget forbids it.
  for (Cell taught = best_cell(design, study.results, /*with_teacher=*/true);;) {
    study.round("curves", design.curves(taught), /*screening=*/false, plan.seeds);
    const Cell now = best_cell(design, study.results, /*with_teacher=*/true);
    if (now == taught || knobs.budget > 0) break;
    taught = now;
  }
  if (!run.group.leader()) return;
  const Recommendation advice = recommend(design, study.results);
  report_study(design, study.results, advice, latency_of(design, study.results, advice.taught), run.outcome);
  run.outcome.data = {{"name", data.source}, {"train", data.train}, {"validation", data.validation}, {"test", data.test}};
  if (run.quiet) return;
  say(advice.text);
  for (const std::string& warning : advice.warnings) warn(warning);
}

}  // namespace

Method kd_study() {
  MethodInfo info = MethodInfo("kd-study")
                        .paper(52)
                        .in("study")
                        .needs(Access::logits)
                        .idea("study student size, teacher, temperature, weight and labels, and recommend")
                        .source("overview: arXiv 2310.02421");
  info.verb = "study";
  return {std::move(info),
          [] {
            StudyKnobs section;
            return knobs_of(section).all();
          },
          run_study};
}

}  // namespace retort

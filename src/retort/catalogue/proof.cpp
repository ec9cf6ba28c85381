#include "retort/catalogue/proof.h"

#include <filesystem>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/machine.h"
#include "retort/base/progress.h"
#include "retort/base/run.h"
#include "retort/base/version.h"
#include "retort/catalogue/places.h"
#include "retort/catalogue/proof_jobs.h"
#include "retort/catalogue/version.h"
#include "retort/data/dataset.h"

namespace retort {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

Recipe base_recipe(const Proof& proof) {
  const std::string path = find_shipped(proof.recipe);
  if (path.empty())
    throw ConfigError(fmt::format("{}: recipe: {} does not exist", proof.path, proof.recipe),
                      "name it as seen from the folder that holds proofs/");
  return Recipe::load(path);
}

// The name of the data that the proof runs on, and its overrides.
std::pair<std::string, const Overrides*> variant(const Proof& proof, const std::string& wanted, const Recipe& recipe) {
  Recipe copy = recipe;
  const std::string own = copy.read<DataKnobs>("data").source;
  if (wanted.empty() || wanted == own) return {own, nullptr};
  std::vector<std::string> names = {own};
  for (const Overrides& data : proof.data) {
    if (data.name == wanted) return {wanted, &data};
    names.push_back(data.name);
  }
  throw ConfigError(fmt::format("{}: there is no data variant \"{}\"", proof.path, wanted),
                    fmt::format("it has: {}", fmt::join(names, ", ")));
}

std::vector<int64_t> seeds_of(const Proof& proof, const ProofOptions& options) {
  std::vector<int64_t> seeds = proof.seeds;
  if (options.seeds > 0) {
    seeds.resize(std::min(seeds.size(), static_cast<size_t>(options.seeds)));
    while (seeds.size() < static_cast<size_t>(options.seeds)) seeds.push_back(*std::max_element(seeds.begin(), seeds.end()) + 1);
  }
  for (int64_t& seed : seeds) seed += options.seed_offset;
  return seeds;
}

// All arms with all seeds, arm by arm: so the first arm makes what the others find in the cache (teachers).
std::vector<ProofJob> plan(const Proof& proof, const Recipe& recipe, const Overrides* data, const std::vector<int64_t>& seeds,
                           const ProofOptions& options, const std::string& folder) {
  std::vector<ProofJob> jobs;
  for (const Overrides& arm : proof.arms) {
    Recipe whole = recipe;
    if (data) whole.set_table(data->toml, data->where);
    whole.set_table(arm.toml, arm.where);
    if (!whole.has("run.threads")) whole.set("run.threads=1");  // numbers that do not depend on --jobs
    for (const std::string& set : options.sets) whole.set(set);
    for (const int64_t seed : seeds) {
      ProofJob job{arm.name, seed, "", whole};
      job.recipe.set(fmt::format("seed={}", seed));
      job.folder = fmt::format("{}/{}-s{}-{}", folder, arm.name, seed, hex_digest(job.recipe.digest() + kVersion + sources_digest()));
      job.recipe.set("run.dir=" + to_toml(job.folder));
      jobs.push_back(std::move(job));
    }
  }
  return jobs;
}

// metric -> the arm's value for every seed that ended well.
struct ArmNumbers {
  std::string name;
  std::vector<std::optional<std::map<std::string, double>>> seeds;
  double seconds = 0, cpu_seconds = 0;
};

std::vector<ArmNumbers> by_arm(const Proof& proof, const std::vector<ProofJob>& jobs, const std::vector<ProofResult>& results,
                               size_t seeds) {
  std::vector<ArmNumbers> arms;
  for (size_t job = 0; job < jobs.size(); ++job) {
    if (job % seeds == 0) arms.push_back({proof.arms[job / seeds].name, {}, 0, 0});
    ArmNumbers& arm = arms.back();
    arm.seeds.emplace_back();
    if (results[job].error.empty()) arm.seeds.back() = results[job].metrics;
    arm.seconds += results[job].seconds;
    arm.cpu_seconds += results[job].cpu_seconds;
  }
  return arms;
}

json arm_json(const ArmNumbers& arm) {
  json metrics = json::object();
  for (const auto& seed : arm.seeds)
    if (seed)
      for (const auto& [name, value] : *seed) metrics[name] = json::array();
  for (auto& [name, values] : metrics.items())
    for (const auto& seed : arm.seeds) values.push_back(seed && seed->count(name) ? json(seed->at(name)) : json());
  return {{"name", arm.name}, {"metrics", metrics}, {"seconds", arm.seconds}, {"cpu_seconds", arm.cpu_seconds}};
}

// The values of the arms for one seed, if every arm that the expectation uses has them. A metric that an arm does not report is a ConfigError.
std::optional<ArmValues> values_of_seed(const ProofExpectation& expected, const std::vector<ArmNumbers>& arms, size_t seed,
                                        const std::string& path) {
  std::map<ArmMetric, double> values;
  for (const ArmMetric& use : expected.expectation.uses) {
    const auto arm = std::find_if(arms.begin(), arms.end(), [&](const ArmNumbers& one) { return one.name == use.first; });
    if (!arm->seeds[seed]) return std::nullopt;
    const auto& metrics = *arm->seeds[seed];
    if (!metrics.count(use.second)) {
      std::vector<std::string> names;
      for (const auto& [name, value] : metrics) names.push_back(name);
      throw ConfigError(fmt::format("{}: expect.{}: arm {} reports no metric \"{}\"", path, expected.name, use.first, use.second),
                        fmt::format("it reports: {}", fmt::join(names, ", ")));
    }
    values[use] = metrics.at(use.second);
  }
  return ArmValues([values](const ArmMetric& use) { return values.count(use) ? values.at(use) : 0.0; });
}

json expectation_json(const ProofExpectation& expected, const std::vector<ArmNumbers>& arms, size_t seeds, const std::string& path) {
  std::vector<ArmValues> complete;
  for (size_t seed = 0; seed < seeds; ++seed)
    if (auto values = values_of_seed(expected, arms, seed, path)) complete.push_back(std::move(*values));
  json row = {{"name", expected.name},
              {"test", expected.expectation.text},
              {"claim", expected.claim},
              {"kind", expected.must ? "must" : "report"},
              {"metric", expected.expectation.metric},
              {"margin", expected.expectation.margin()},
              {"seeds", complete.size()}};
  if (complete.empty()) return row;
  const Judgement judged = judge(expected.expectation, complete);
  row["surplus"] = {{"per_seed", judged.surplus},
                    {"mean", judged.paired.mean_difference},
                    {"deviation", judged.paired.deviation},
                    {"interval", {judged.paired.interval.low, judged.paired.interval.high}},
                    {"sign_test", judged.paired.sign_probability}};
  row["mean_met"] = judged.mean_met;
  row["verdict"] = to_string(judged.verdict);
  return row;
}

// Every sentence that must hold decides: one that does not hold, then one that is undecided.
std::string overall(const json& expectations) {
  std::string verdict = "holds";
  for (const json& row : expectations) {
    if (row["kind"] != "must") continue;
    const std::string one = row.value("verdict", "undecided");
    if (one == "does not hold") return one;
    if (one == "undecided") verdict = one;
  }
  return verdict;
}

std::vector<std::string> errors_of(const std::vector<ProofJob>& jobs, const std::vector<ProofResult>& results, bool absent_data) {
  std::vector<std::string> lines;
  for (size_t job = 0; job < jobs.size(); ++job)
    if (!results[job].error.empty() && results[job].absent_data == absent_data)
      lines.push_back(fmt::format("arm {}, seed {}: {}", jobs[job].arm, jobs[job].seed, results[job].error));
  return lines;
}

}  // namespace

ProofOutcome prove(const Proof& proof, const ProofOptions& options) {
  Recipe recipe = base_recipe(proof);
  const auto [data_name, data] = variant(proof, options.data, recipe);
  const std::vector<int64_t> seeds = seeds_of(proof, options);
  Recipe copy = recipe;
  for (const std::string& set : options.sets) copy.set(set);
  const std::string cache = copy.read<RunFolderKnobs>("run").cache;
  const std::string folder = (cache.empty() ? ".cache/retort" : cache) + "/proofs/" + proof.id;
  make_folders(folder);
  const std::vector<ProofJob> jobs = plan(proof, recipe, data, seeds, options, folder);

  Progress progress(fmt::format("{} on {}", proof.id, data_name), static_cast<int64_t>(jobs.size()), options.quiet);
  const std::string& metric = proof.expectations.empty() ? "accuracy" : proof.expectations[0].expectation.metric;
  int64_t done = 0;
  const std::vector<ProofResult> results = run_jobs(jobs, options.jobs, [&](size_t job, const ProofResult& result) {
    const auto value = result.metrics.find(metric);
    const std::string note = !result.error.empty()           ? "failed"
                             : value == result.metrics.end() ? "done"
                                                             : fmt::format("{} {:.2f}", metric, value->second);
    progress.advance_to(++done, fmt::format("{} seed {}: {}", jobs[job].arm, jobs[job].seed, note));
  });
  progress.finish();

  ProofOutcome outcome;
  outcome.failures = errors_of(jobs, results, /*absent_data=*/false);
  const std::vector<ArmNumbers> arms = by_arm(proof, jobs, results, seeds.size());
  json& section = outcome.section;
  section = {{"id", proof.id},
             {"data", data_name},
             {"claim", proof.claim},
             {"tuning", proof.tuning},
             {"tried", proof.tried},
             {"recipe", proof.recipe},
             {"recipe_digest", recipe.digest()},
             {"proof_digest", proof.digest},
             {"seeds", seeds},
             {"threads", 1},
             {"arms", json::array()},
             {"expectations", json::array()},
             {"program",
              {{"retort", kVersion}, {"sources", sources_digest()}, {"libtorch", libtorch_version()}, {"compiler", compiler_version()}}}};
  double seconds = 0, cpu_seconds = 0;
  for (const ArmNumbers& arm : arms) {
    section["arms"].push_back(arm_json(arm));
    seconds += arm.seconds;
    cpu_seconds += arm.cpu_seconds;
  }
  for (const ProofExpectation& expected : proof.expectations)
    section["expectations"].push_back(expectation_json(expected, arms, seeds.size(), proof.path));
  section["wall_seconds"] = seconds;
  section["cpu_seconds"] = cpu_seconds;
  section["verdict"] = outcome.complete() ? overall(section["expectations"]) : "incomplete";
  return outcome;
}

SmokeOutcome smoke(const Proof& proof) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("retort-smoke-{}-{}", proof.id, getpid());
  struct Cleared {
    fs::path path;
    ~Cleared() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } cleared{folder};
  make_folders(folder.string());
  ProofOptions options;
  options.sets = {"run.max_steps=3", "run.cache=" + to_toml((folder / "cache").string())};
  const std::vector<int64_t> seeds = {proof.seeds[0]};
  const std::vector<ProofJob> jobs = plan(proof, base_recipe(proof), nullptr, seeds, options, folder.string());
  const std::vector<ProofResult> results = run_jobs(jobs, /*workers=*/0, [](size_t, const ProofResult&) {});
  const std::vector<ArmNumbers> arms = by_arm(proof, jobs, results, 1);
  for (const ProofExpectation& expected : proof.expectations) values_of_seed(expected, arms, 0, proof.path);
  SmokeOutcome outcome;
  outcome.left_out = errors_of(jobs, results, /*absent_data=*/true);
  outcome.failures = errors_of(jobs, results, /*absent_data=*/false);
  return outcome;
}

}  // namespace retort

// `retort rank-teachers CANDIDATE…`: which of many teachers is nearest to one's own task, before any training.
#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/base/recipe.h"
#include "retort/base/run.h"
#include "retort/catalogue/text_table.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/stats/transferability.h"
#include "retort/teachers/candidate.h"
#include "retort/teachers/similarity.h"

namespace retort {
namespace {
using nlohmann::json;

struct RankOptions {
  std::vector<std::string> candidates, sets;
  std::string data = "digits", by = "parc";
  int64_t probe = 500;
  uint64_t seed = 0;
  double power = 12;
  bool json = false;
};

struct Ranked {
  std::string name, about, access;
  int64_t classes;
  std::map<std::string, double> similarity;
  double weight = 0;
};

Ranked judge(const std::string& name, const Dataset& probe, Seed seed) {
  const std::unique_ptr<Teacher> teacher = open_candidate(name, probe.spec, at::kCPU, seed.stream("net"));
  const ProbeAnswers answers = ask_about(*teacher, probe, at::kCPU);
  Ranked ranked{name, teacher->about(), to_string(std::min(teacher->access(), Access::features)), teacher->classes(), {}, 0};
  for (const std::string& metric : similarity_metric_names()) ranked.similarity[metric] = similarity(metric, answers, seed.stream("folds"));
  return ranked;
}

void print_table(const std::vector<Ranked>& ranked, const RankOptions& options, const Dataset& probe) {
  TableRow head = {"candidate", "what it is", "shows", "classes"};
  for (const std::string& metric : similarity_metric_names()) head.push_back(metric);
  head.push_back("weight");
  std::vector<TableRow> rows = {head};
  for (const Ranked& one : ranked) {
    TableRow row = {one.name, one.about, one.access, std::to_string(one.classes)};
    for (const std::string& metric : similarity_metric_names()) row.push_back(fmt::format("{:.2f}", one.similarity.at(metric)));
    row.push_back(fmt::format("{:.3f}", one.weight));
    rows.push_back(std::move(row));
  }
  print_text(text_table(rows, /*numbers=*/true));
  print_text(fmt::format("\nby {} on {} labelled samples of {}; weight: what `distill-budget` would give each at power {:g}\n", options.by,
                         probe.size(), probe.name, options.power));
  for (const auto& [name, about] : similarity_metrics()) print_text(fmt::format("  {:<7} {}\n", name, about));
}

void run(const RankOptions& options) {
  std::vector<std::string> sets = options.sets;
  sets.insert(sets.begin(), "data.source=" + to_toml(options.data));
  Recipe recipe = Recipe::parse("", "rank-teachers", sets);
  const auto knobs = recipe.read<DataKnobs>("data");
  recipe.finish();
  const Seed seed = Seed(options.seed);
  const Dataset train = load_splits(knobs, seed.stream("data")).train, probe = probe_set(train, options.probe, seed.stream("probe"));
  std::vector<Ranked> ranked;
  std::vector<double> similarities;
  for (const std::string& candidate : options.candidates) ranked.push_back(judge(candidate, probe, seed));
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](const Ranked& a, const Ranked& b) { return a.similarity.at(options.by) > b.similarity.at(options.by); });
  for (const Ranked& one : ranked) similarities.push_back(one.similarity.at(options.by));
  const std::vector<double> weights = similarity_weights(similarities, options.power);
  for (size_t i = 0; i < ranked.size(); ++i) ranked[i].weight = weights[i];
  if (similarities.front() <= 0)
    warn(fmt::format("no candidate is similar to the task: the best {} is {:.2f}", options.by, similarities.front()));
  if (!options.json) return print_table(ranked, options, probe);
  json all = json::array();
  for (const Ranked& one : ranked)
    all.push_back({{"candidate", one.name},
                   {"about", one.about},
                   {"shows", one.access},
                   {"classes", one.classes},
                   {"similarity", one.similarity},
                   {"weight", one.weight}});
  print_json({{"data", probe.name}, {"samples", probe.size()}, {"by", options.by}, {"candidates", all}});
}

}  // namespace

void add_rank_teachers_verb(CLI::App& app) {
  auto options = std::make_shared<RankOptions>();
  CLI::App* verb = app.add_subcommand("rank-teachers", "Rank candidate teachers by how near their task is to yours, before any training");
  verb->add_option("candidates", options->candidates,
                   "run folders, .safetensors or TorchScript (.pt) files, or names of nets (drawn at random: a floor to stand above)")
      ->required();
  verb->add_option("--data", options->data, "your data: a name of `retort data list` or a path")->capture_default_str();
  verb->add_option("--by", options->by, "the similarity that ranks")
      ->check(CLI::IsMember(similarity_metric_names()))
      ->capture_default_str();
  verb->add_option("--probe", options->probe, "labelled samples, at most, that similarity is measured on")
      ->check(CLI::Range(4, 1000000))
      ->capture_default_str();
  verb->add_option("--power", options->power, "weights are similarity^power")->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--seed", options->seed, "seed of the splits and of the probe set")->capture_default_str();
  verb->add_option("--set", options->sets, "data.b=c: set a key of [data]; may be repeated")->allow_extra_args(false);
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options] { run(*options); });
}

}  // namespace retort

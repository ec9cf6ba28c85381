// `retort distill RECIPE`, `retort audit RECIPE`, `retort study RECIPE`: run a recipe to its end.
#include <thread>

#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/places.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/report/report.h"

namespace retort {
namespace {

struct RecipeOptions {
  std::string recipe, dir;
  std::vector<std::string> sets;
  int64_t jobs = 0;
  bool resume = false, json = false, quiet = false, no_report = false;
};

void run(const RecipeOptions& options, const std::string& verb) {
  install_interrupt_handler();
  set_quiet(options.quiet);
  std::vector<std::string> sets = options.sets;
  if (!options.dir.empty()) sets.push_back("run.dir=" + to_toml(options.dir));
  if (options.jobs > 0) sets.push_back(fmt::format("run.jobs={}", options.jobs));
  const Finished finished = run_recipe(Recipe::load(find_named("recipe", "recipes", options.recipe), sets), verb, options.resume,
                                       options.quiet);
  if (!file_exists(finished.folder + "/run.json")) return;  // another rank's
  if (!options.no_report) write_report({finished.folder}, finished.folder + "/report.html");
  if (!options.quiet) say(fmt::format("run folder: {}", finished.folder));
  if (options.json) {
    nlohmann::json facts = nlohmann::json::parse(read_file(finished.folder + "/run.json"));
    facts.erase("panels");  // pictures and curves: for the report
    facts["dir"] = finished.folder;
    print_json(facts);
  }
}

// Every verb that runs a recipe is this one, and takes the methods that belong to it.
// `many`: its methods make runs of their own, side by side.
void add_recipe_verb(CLI::App& app, const std::string& name, const std::string& about, bool many = false) {
  auto options = std::make_shared<RecipeOptions>();
  CLI::App* verb = app.add_subcommand(name, about);
  verb->add_option("recipe", options->recipe, "recipe file, or the name of a shipped one (quickstart)")->required();
  verb->add_option("--set", options->sets, "a.b=c: set a key of the recipe; may be repeated")->allow_extra_args(false);
  verb->add_option("--dir", options->dir, "run folder; runs/<date>-<name> unless given");
  if (many) {
    options->jobs = std::max(1u, std::thread::hardware_concurrency());
    verb->add_option("--jobs", options->jobs, "runs at the same time, one thread each; one a core unless given")
        ->check(CLI::Range(1, 1024));
  }
  verb->add_flag("--resume", options->resume, "go on with the run in that folder");
  verb->add_flag("--no-report", options->no_report, "leave out report.html");
  verb->add_flag("--json", options->json, "print the results as JSON on stdout");
  verb->add_flag("--quiet", options->quiet, "print nothing but results and errors");
  verb->callback([options, name] { run(*options, name); });
}

}  // namespace

void add_distill_verb(CLI::App& app) { add_recipe_verb(app, "distill", "Turn a teacher into a student, as a recipe says"); }
void add_audit_verb(CLI::App& app) {
  add_recipe_verb(app, "audit", "Say what a model that you cannot open does, and how far the answer can be trusted");
}
void add_study_verb(CLI::App& app) {
  add_recipe_verb(app, "study", "Study what distillation brings for your teachers, data and budget, and what to choose", /*many=*/true);
}

}  // namespace retort

// `retort golden DIR`: holds the project's functions against the papers' reference values.
#include "retort/catalogue/golden.h"
#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"

namespace retort {
namespace {
using Outcome = GoldenVerdict::Outcome;

struct GoldenOptions {
  std::string folder, filter;
  bool as_json = false;
};

std::string word(Outcome outcome) { return outcome == Outcome::passed ? "passed" : outcome == Outcome::failed ? "failed" : "unbound"; }

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string line(const GoldenVerdict& verdict) {
  const std::string more = verdict.outcome == Outcome::passed ? fmt::format("  {:.1e}", verdict.error)
                           : verdict.detail.empty()           ? ""
                                                              : "  " + verdict.detail;
  return fmt::format("{:<8} {}{}", word(verdict.outcome), file_name(verdict.path), more);
}

void run(const GoldenOptions& options) {
  const auto verdicts = judge_golden_folder(options.folder, options.filter);
  std::map<Outcome, int64_t> counts;
  nlohmann::json cases = nlohmann::json::array();
  std::string text;
  for (const GoldenVerdict& verdict : verdicts) {
    ++counts[verdict.outcome];
    text += line(verdict) + "\n";
    cases.push_back({{"file", file_name(verdict.path)},
                     {"method", verdict.method},
                     {"outcome", word(verdict.outcome)},
                     {"error", verdict.error},
                     {"detail", verdict.detail}});
  }
  const int64_t passed = counts[Outcome::passed], failed = counts[Outcome::failed], unbound = counts[Outcome::unbound];
  text += fmt::format("{} passed, {} failed, {} unbound\n", passed, failed, unbound);
  if (options.as_json)
    print_json({{"passed", passed}, {"failed", failed}, {"unbound", unbound}, {"cases", cases}});
  else
    print_text(text);
  if (failed > 0)
    throw Error(fmt::format("{} of {} golden cases failed", failed, verdicts.size()),
                "the lines above say which output is off, and by how much", 1);
}

}  // namespace

void add_golden_verb(CLI::App& app) {
  auto options = std::make_shared<GoldenOptions>();
  CLI::App* verb = app.add_subcommand("golden", "Hold the losses and metrics against the papers' reference values");
  verb->add_option("folder", options->folder, "folder of golden .json files")->required();
  verb->add_option("--filter", options->filter, "only methods whose name begins with this");
  verb->add_flag("--json", options->as_json, "print JSON");
  verb->callback([options] { run(*options); });
}

}  // namespace retort

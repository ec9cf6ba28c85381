// retort: a verb a sub-command. Every failure ends here, as one line, one hint and an exit code.
#include <cstdio>

#include "retort/base/error.h"
#include "retort/base/version.h"
#include "retort/catalogue/failure.h"
#include "retort/cli/verbs.h"

namespace {
using namespace retort;

int tell(const Failure& failure) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", failure.line.c_str());
  if (!failure.hint.empty()) std::fprintf(stderr, "hint: %s\n", failure.hint.c_str());
  return failure.exit_code;
}

// CLI11 takes an unknown verb for a stray argument; the nearest verb is the better answer.
void check_verb(const CLI::App& app, int count, char** words) {
  if (count < 2 || words[1][0] == '-') return;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) verbs.push_back(verb->get_name());
  if (std::find(verbs.begin(), verbs.end(), words[1]) != verbs.end()) return;
  const std::string nearest = nearest_name(words[1], verbs);
  throw ConfigError(fmt::format("there is no verb \"{}\"", words[1]),
                    nearest.empty() ? "`retort --help` lists them" : fmt::format("did you mean `retort {}`?", nearest));
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

int main(int count, char** words) {
  CLI::App app("Distil a model that you can only query, or that is too big, into one that you own.", "retort");
  app.set_version_flag("--version", std::string("retort ") + kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  for (const auto add : {add_distill_verb, add_capture_verb, add_cache_verb, add_serve_verb, add_audit_verb, add_study_verb, add_eval_verb,
                         add_predict_verb, add_report_verb, add_methods_verb, add_prove_verb, add_golden_verb, add_data_verb,
                         add_rank_teachers_verb, add_docs_verb, add_doctor_verb})
    add(app);
  try {
    check_verb(app, count, words);
    if (count < 2) throw CLI::CallForHelp();
    app.parse(count, words);
    return 0;
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    const auto used = app.get_subcommands();
    return tell({first_line(error.what()),
                 fmt::format("`retort {}--help` shows how it is used", used.empty() ? "" : used[0]->get_name() + " "), 2});
  } catch (...) {
    return tell(current_failure());
  }
}

// `retort report RUN…`: one self-contained page about one run, or several side by side.
#include "retort/report/report.h"

#include "retort/base/progress.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"

namespace retort {

void add_report_verb(CLI::App& app) {
  struct Options {
    std::vector<std::string> runs;
    std::string out;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("report", "Write a page about one run, or several side by side");
  verb->add_option("runs", options->runs, "run folders")->required();
  verb->add_option("--out", options->out, "the page; RUN/report.html for one run, report.html for several unless given");
  verb->add_flag("--json", options->json, "print {\"report\": path} on stdout");
  verb->callback([options] {
    const std::string out = !options->out.empty()       ? options->out
                            : options->runs.size() == 1 ? options->runs[0] + "/report.html"
                                                        : "report.html";
    write_report(options->runs, out);
    if (options->json)
      print_json({{"report", out}});
    else
      say("report: " + out);
  });
}

}  // namespace retort

// `retort docs DIR`: the documentation that is written from declarations.
#include "retort/catalogue/docs.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/cli/verbs.h"

namespace retort {

void add_docs_verb(CLI::App& app) {
  struct Options {
    std::string folder;
    bool check = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("docs", "Write the pages about methods, recipe keys and evidence");
  verb->add_option("folder", options->folder, "the docs folder")->required();
  verb->add_flag("--check", options->check, "write nothing; fail when a page is stale");
  verb->callback([options] {
    if (!options->check) {
      for (const std::string& path : write_documentation(options->folder)) say("wrote " + path);
      return;
    }
    const std::vector<std::string> stale = stale_documentation(options->folder);
    if (!stale.empty()) throw Error(fmt::format("stale documentation: {}", fmt::join(stale, ", ")), "run `make docs`", 1);
  });
}

}  // namespace retort

// `retort cache stats | export | import | prune`: answers that were paid for once.
#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/catalogue/text_table.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/remote/response_cache.h"
#include "retort/teachers/teacher.h"

namespace retort {
namespace {
using nlohmann::json;

struct CacheOptions {
  std::string cache = ".cache/retort/answers.db", lines;
  double days = 0;
  uint64_t bytes = 0;
  bool as_json = false;
};

std::string size_text(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void stats(const CacheOptions& options) {
  const auto answers = summarise_cache(options.cache);
  const auto ledger = ledger_of_cache(options.cache);
  if (options.as_json) {
    json out = {{"cache", options.cache}, {"answers", json::array()}, {"ledger", json::array()}};
    for (const CacheSummary& one : answers)
      out["answers"].push_back({{"url", one.url},
                                {"model", one.model},
                                {"answers", one.answers},
                                {"bytes", one.bytes},
                                {"oldest", one.oldest},
                                {"newest", one.newest}});
    for (const auto& [budget, usage] : ledger)
      out["ledger"].push_back({{"budget", budget},
                               {"calls", usage.calls},
                               {"prompt_tokens", usage.prompt_tokens},
                               {"completion_tokens", usage.completion_tokens},
                               {"money", usage.money}});
    return print_json(out);
  }
  std::vector<TableRow> kept = {{"endpoint", "model", "answers", "size", "oldest", "newest"}};
  for (const CacheSummary& one : answers)
    kept.push_back({one.url, one.model, with_commas(one.answers), size_text(one.bytes), one.oldest, one.newest});
  std::vector<TableRow> spent = {{"budget", "calls", "prompt tokens", "completion tokens", "money"}};
  for (const auto& [budget, usage] : ledger)
    spent.push_back({budget, with_commas(usage.calls), with_commas(usage.prompt_tokens), with_commas(usage.completion_tokens),
                     fmt::format("{:.6g}", usage.money)});
  print_text(answers.empty() ? "no answers are kept\n" : text_table(kept, /*numbers=*/true));
  print_text(ledger.empty() ? "\nnothing was spent\n" : "\n" + text_table(spent, /*numbers=*/true));
}

// One number that a verb ends with; `beside`: stdout belongs to something else.
void tell(const CacheOptions& options, const char* name, int64_t count, const std::string& sentence, bool beside = false) {
  if (beside)
    say(sentence);
  else if (options.as_json)
    print_json({{"cache", options.cache}, {name, count}});
  else
    print_text(sentence + "\n");
}

void export_lines(const CacheOptions& options) {
  const bool to_stdout = options.lines == "-";
  const int64_t count = export_cache(options.cache, options.lines);
  tell(options, "exported", count, fmt::format("{}: {} answers", options.lines, with_commas(count)), to_stdout);
}

void import_lines(const CacheOptions& options) {
  const int64_t count = import_cache(options.cache, options.lines == "-" ? "/dev/stdin" : options.lines);
  tell(options, "imported", count, fmt::format("{}: {} answers that were new", options.cache, with_commas(count)));
}

void prune(const CacheOptions& options) {
  if (options.days <= 0 && options.bytes == 0)
    throw ConfigError("cache prune: nothing says what may go", "--older-than 30, --keep 100MB, or both");
  const int64_t count = prune_cache(options.cache, options.days, static_cast<int64_t>(options.bytes));
  tell(options, "removed", count,
       fmt::format("{}: {} answers removed; what was spent stays written down", options.cache, with_commas(count)));
}

}  // namespace

void add_cache_verb(CLI::App& app) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* verb = app.add_subcommand("cache", "Answers of teachers behind an API: what is kept and what was spent");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* about, void (*act)(const CacheOptions&)) {
    CLI::App* part = verb->add_subcommand(name, about);
    part->add_option("--cache", options->cache, "the cache file")->capture_default_str();
    part->add_flag("--json", options->as_json, "print as JSON");
    part->callback([options, act] { act(*options); });
    return part;
  };
  add("stats", "Answers by endpoint and model, and what was spent under each budget", stats);
  add("export", "Write the answers as JSON lines", export_lines)
      ->add_option("file", options->lines, "file to write; - for stdout")
      ->required();
  add("import", "Add answers from JSON lines; those that are there already stay", import_lines)
      ->add_option("file", options->lines, "file to read; - for stdin")
      ->required();
  CLI::App* prune_verb = add("prune", "Forget answers; what was spent stays written down", prune);
  prune_verb->add_option("--older-than", options->days, "days; older answers go")->check(CLI::PositiveNumber);
  prune_verb->add_option("--keep", options->bytes, "bytes (also 100MB) of answers to keep, the newest")->transform(CLI::AsSizeValue(true));
}

}  // namespace retort

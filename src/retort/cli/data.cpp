// `retort data list | show NAME-or-PATH | fetch NAME`: what there is to learn from.
#include "retort/base/recipe.h"
#include "retort/catalogue/text_table.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/data/fetch.h"
#include "retort/data/image.h"
#include "retort/data/places.h"
#include "retort/data/summary.h"

namespace retort {
namespace {
using nlohmann::json;

struct DataOptions {
  std::string source, png, folder;
  std::vector<std::string> sets;
  int64_t columns = 10;
  bool as_json = false;
};

void list(const DataOptions& options) {
  if (options.as_json) {
    json sets = json::array();
    for (const DataEntry& entry : known_data())
      sets.push_back(
          {{"name", entry.name}, {"kind", entry.kind}, {"about", entry.about}, {"licence", entry.licence}, {"found_at", entry.found_at}});
    return print_json(sets);
  }
  std::vector<TableRow> rows = {{"name", "kind", "", "where"}};
  for (const DataEntry& entry : known_data())
    rows.push_back(
        {entry.name, entry.kind, entry.about, entry.found_at.empty() ? "not here: retort data fetch " + entry.name : entry.found_at});
  print_text(text_table(rows, /*numbers=*/false) +
             "\nA path works like a name: a folder of IDX or CIFAR files, of images (one sub-folder a class), a .csv or .tsv file.\n"
             "Worlds take options: \"world:ring8,rows=5000,noise=0.1\".\n");
}

std::string number(const json& value) { return fmt::format("{:.6g}", value.get<double>()); }

std::string summary_text(const json& summary) {
  std::vector<TableRow> facts = {{"name", summary["name"]}, {"kind", summary["kind"]}};
  if (summary.contains("path")) facts.push_back({"path", summary["path"]});
  facts.push_back({"rows", fmt::format("{} + {} test", summary["rows"].get<int64_t>(), summary["test_rows"].get<int64_t>())});
  if (summary["unlabelled"] != 0) facts.push_back({"unlabelled", summary["unlabelled"].dump()});
  facts.push_back(
      {"shape", fmt::format("[{}] {}", fmt::join(summary["shape"].get<std::vector<int64_t>>(), ", "), summary["type"].get<std::string>())});
  if (summary.contains("range")) {
    facts.push_back({"values", fmt::format("{} to {}, mean {:.4g}", number(summary["range"][0]), number(summary["range"][1]),
                                           fmt::join(summary["mean"].get<std::vector<double>>(), ", "))});
  }
  facts.push_back({"first ids", fmt::format("{}", fmt::join(summary["first_ids"].get<std::vector<int64_t>>(), ", "))});
  const json extra = summary.value("extra", json::object());
  for (const auto& [name, shape] : extra.items())
    facts.push_back({"extra " + name, fmt::format("[{}]", fmt::join(shape.get<std::vector<int64_t>>(), ", "))});
  std::string text = text_table(facts, /*numbers=*/false);

  std::vector<TableRow> classes = {{"class", "rows", "test"}};
  for (const json& entry : summary["classes"]) classes.push_back({entry["name"], entry["train"].dump(), entry["test"].dump()});
  text += "\n" + text_table(classes, /*numbers=*/true);
  if (!summary.contains("columns")) return text;
  std::vector<TableRow> columns = {{"column", "type", "missing", ""}};
  for (const json& column : summary["columns"])
    columns.push_back({column["name"], column["type"], column["missing"].dump(),
                       column.contains("range") ? number(column["range"][0]) + " to " + number(column["range"][1])
                                                : column["values"].dump() + " values"});
  return text + "\n" + text_table(columns, /*numbers=*/false);
}

void show(const DataOptions& options) {
  Recipe recipe = Recipe::parse("", "data show", options.sets);
  auto knobs = recipe.read<DataKnobs>("data");
  recipe.finish();
  knobs.source = options.source;
  const Source source = open_source(knobs, Seed(static_cast<uint64_t>(std::max<int64_t>(knobs.split_seed, 0))));
  json summary = summarise(source);
  if (!options.png.empty()) {
    write_png_grid(options.png, sample_images(source, options.columns),
                   source.train.spec.shape.size() == 4 ? source.train.spec.shape[0] : options.columns);
    summary["png"] = options.png;
  }
  if (options.as_json)
    print_json(summary);
  else
    print_text(summary_text(summary) + (options.png.empty() ? "" : "\nsamples: " + options.png + "\n"));
}

void fetch(const DataOptions& options) {
  const std::string place = fetch_data(options.source, options.folder.empty() ? cache_folder() : options.folder);
  if (options.as_json)
    print_json({{"name", options.source}, {"found_at", place}});
  else
    print_text(place + "\n");
}

}  // namespace

void add_data_verb(CLI::App& app) {
  auto options = std::make_shared<DataOptions>();
  CLI::App* verb = app.add_subcommand("data", "Data sets: what is here, what one holds, fetch a public one");
  verb->require_subcommand(1);

  CLI::App* list_verb = verb->add_subcommand("list", "Data sets that have a name, and where they were found");
  list_verb->add_flag("--json", options->as_json, "print as JSON");
  list_verb->callback([options] { list(*options); });

  CLI::App* show_verb = verb->add_subcommand("show", "What a data set holds: sizes, classes, values, columns");
  show_verb->add_option("source", options->source, "a name of `retort data list`, a path or a world")->required();
  show_verb->add_option("--set", options->sets, "data.key=value, as in a recipe; may be repeated")->allow_extra_args(false);
  show_verb->add_option("--png", options->png, "write a grid of samples to this file");
  show_verb->add_option("--columns", options->columns, "samples a row of the grid")->check(CLI::Range(1, 100));
  show_verb->add_flag("--json", options->as_json, "print as JSON");
  show_verb->callback([options] { show(*options); });

  CLI::App* fetch_verb = verb->add_subcommand("fetch", "Download a public data set into the cache folder");
  fetch_verb->add_option("name", options->source, "a name of `retort data list`")->required();
  fetch_verb->add_option("--to", options->folder, "data folder to put it in; the cache folder unless given");
  fetch_verb->add_flag("--json", options->as_json, "print as JSON");
  fetch_verb->callback([options] { fetch(*options); });
}

}  // namespace retort

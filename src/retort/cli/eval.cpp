// `retort eval RUN`: scores a student on its own test part, or on other data.
#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/progress.h"
#include "retort/cli/parts.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/data/table.h"
#include "retort/nets/model_file.h"
#include "retort/train/detector.h"

namespace retort {
namespace {

struct EvalOptions {
  std::string run, data, part, against;
  std::vector<std::string> sets;
  bool json = false;
};

// [data] and seed of the recipe that made the model, so that its test part is the same again; defaults for a model without a recipe.
Recipe recipe_of(const EvalOptions& options) {
  const std::string path = options.run + "/recipe.toml";
  std::vector<std::string> sets = options.sets;
  if (!options.data.empty()) sets.insert(sets.begin(), "data.source=" + to_toml(options.data));
  return file_exists(path) ? Recipe::load(path, sets) : Recipe::parse("", options.run, sets);
}

// A table file as the model reads it: encoded as its training rows were.
Dataset table_file(const DataKnobs& knobs, const InputSpec& input) {
  Dataset data = read_table(knobs.source, {knobs.label, knobs.header, knobs.columns, knobs.missing, {}, input.classes});
  data.inputs = encode_table(data.inputs, data.spec.table, input.table);
  data.name = knobs.source;
  data.spec = input;
  return data;
}

Dataset data_for(const EvalOptions& options, const InputSpec& input) {
  Recipe recipe = recipe_of(options);
  const auto knobs = recipe.read<DataKnobs>("data");
  std::error_code failed;
  const bool file = std::filesystem::is_regular_file(knobs.source, failed);
  if (!input.table.is_null() && file && !options.data.empty() && options.part.empty()) return table_file(knobs, input);
  const auto seed = Seed(static_cast<uint64_t>(recipe.read<RunKnobs>("").seed));
  Dataset data = part_of(load_splits(knobs, seed.stream("data")), options.part.empty() ? "test" : options.part);
  if (data.size() == 0) throw DataError(fmt::format("{}: the {} part is empty", knobs.source, options.part), "choose another with --part");
  const std::vector<int64_t> shape(data.inputs.sizes().begin() + 1, data.inputs.sizes().end());
  if (shape != input.shape)
    throw DataError(fmt::format("{}: samples of shape [{}], and the model reads [{}]", knobs.source, fmt::join(shape, ", "),
                                fmt::join(input.shape, ", ")),
                    "bring images to the model's size with --set data.resize=N");
  if (data.classes() != static_cast<int64_t>(input.classes.size()))
    throw DataError(fmt::format("{}: {} classes, and the model decides between {}", knobs.source, data.classes(), input.classes.size()),
                    "evaluate it on data with the same classes");
  if (!input.table.is_null() && data.spec.table != input.table)
    throw DataError(fmt::format("{}: its columns are encoded in another way than the model's training rows", knobs.source),
                    "give the table as a file: --data table.csv");
  data.spec = input;
  return data;
}

void run_detector(const EvalOptions& options, const Model& model, const Dataset& data) {
  if (!options.against.empty()) throw ConfigError("--against: detectors are scored alone", "evaluate the other one by itself");
  const AveragePrecision score = score_detector(model.net, data);
  if (options.json)
    return print_json({{"run", options.run},
                       {"data", data.name},
                       {"samples", data.size()},
                       {"metrics", {{"ap", 100 * score.ap}, {"ap50", 100 * score.ap50}, {"ap75", 100 * score.ap75}}}});
  print_text(fmt::format("{} on {} samples of {}\nAP {:.2f} %   AP50 {:.2f} %   AP75 {:.2f} %\n", options.run, data.size(), data.name,
                         100 * score.ap, 100 * score.ap50, 100 * score.ap75));
}

void run(const EvalOptions& options) {
  const Model model = load_model(options.run);
  const Dataset data = data_for(options, model.input);
  if (detected_classes(model.net) > 0) return run_detector(options, model, data);
  const Tensor inputs = prepared_inputs(data);
  Scorecard card;
  Tensor reference;
  if (!options.against.empty()) {
    const Model other = load_model(options.against);
    if (other.net.input_shape() != model.net.input_shape() || other.net.outputs() != model.net.outputs())
      throw DataError(fmt::format("{}: reads other inputs or decides between other classes than {}", options.against, options.run),
                      "compare models of the same data");
    reference = predict_logits(other.net, prepare(data.inputs, other.input));
    card.add("against", reference, data, &other.net, 0, {}, /*with_latency=*/true);
  }
  card.add("student", predict_logits(model.net, inputs), data, &model.net, 0, reference, /*with_latency=*/true);
  if (!options.json) return print_text(fmt::format("{} on {} samples of {}\n{}", options.run, data.size(), data.name, card.text()));
  Outcome outcome;
  card.write_to(outcome, "student", data);
  print_json({{"run", options.run}, {"data", data.name}, {"samples", data.size()}, {"metrics", outcome.metrics}});
}

}  // namespace

void add_eval_verb(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = app.add_subcommand("eval", "Score a student on its test part, or on other data");
  verb->add_option("run", options->run, "run folder, a .packed file, or a .safetensors file beside its config.json")->required();
  verb->add_option("--data", options->data, "data set: a name of `retort data list` or a path; the run's own unless given");
  verb->add_option("--part", options->part, "train, validation, test or all; test unless given, all rows of a table file")
      ->check(CLI::IsMember({"train", "validation", "test", "all"}));
  verb->add_option("--against", options->against, "another model (its teacher, say) to score beside it and to count agreement with");
  verb->add_option("--set", options->sets, "data.b=c: set a key of [data]; may be repeated")->allow_extra_args(false);
  verb->add_flag("--json", options->json, "print the scores as JSON");
  verb->callback([options] { run(*options); });
}

}  // namespace retort

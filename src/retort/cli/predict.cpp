// `retort predict RUN INPUT…`: what a student says of images or table rows.
#include <filesystem>

#include "retort/base/error.h"
#include "retort/catalogue/text_table.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/data/image.h"
#include "retort/data/table.h"
#include "retort/nets/model_file.h"
#include "retort/train/detector.h"

namespace retort {
namespace {
using nlohmann::json;

struct PredictOptions {
  std::string run;
  std::vector<std::string> inputs;
  int64_t top = 3;
  bool json = false;
};

struct Samples {
  std::vector<std::string> names;
  Tensor inputs;  // [n, …], as the net reads them
};

// A table file gives a sample a row; anything else is a row written out: "5.1,3.5,1.4,0.2".
Samples table_samples(const std::vector<std::string>& given, const InputSpec& spec) {
  Samples samples;
  Tensors parts;
  std::error_code failed;
  for (const std::string& input : given) {
    const bool file = std::filesystem::exists(input, failed) || input.find(',') == std::string::npos;
    parts.push_back(file ? read_table_rows(input, spec)
                         : prepare_table_rows(parse_csv(input, "\"" + input + "\"").rows, {}, spec, "\"" + input + "\""));
    for (int64_t row = 0; row < parts.back().size(0); ++row)
      samples.names.push_back(file ? fmt::format("{} row {}", input, row + 1) : input);
  }
  samples.inputs = at::cat(parts);
  return samples;
}

Samples image_samples(const std::vector<std::string>& paths, const InputSpec& spec) {
  Samples samples{paths, {}};
  Tensors parts;
  for (const std::string& path : paths) parts.push_back(read_image(path, spec));
  samples.inputs = at::cat(parts);
  return samples;
}

// Boxes in pixels of the image as the net reads it.
void find_objects(const PredictOptions& options, const Model& model) {
  const InputSpec& spec = model.input;
  const Samples samples = image_samples(options.inputs, spec);
  const auto found = detect(model.net, samples.inputs, /*least=*/0.3);
  json all = json::array();
  std::vector<TableRow> rows;
  for (size_t i = 0; i < found.size(); ++i) {
    json objects = json::array();
    for (int64_t k = 0; k < found[i].classes.numel(); ++k) {
      const std::string& name = spec.classes.at(static_cast<size_t>(found[i].classes[k].item<int64_t>()));
      const Tensor box = found[i].boxes[k];
      std::vector<double> sides;
      for (int64_t side = 0; side < 4; ++side) sides.push_back(box[side].item<double>());
      const double score = found[i].scores[k].item<double>();
      objects.push_back({{"class", name}, {"score", score}, {"box", sides}});
      rows.push_back({samples.names[i], name, fmt::format("{:.1f}%", 100 * score), fmt::format("x {:.1f}-{:.1f}", sides[0], sides[2]),
                      fmt::format("y {:.1f}-{:.1f}", sides[1], sides[3])});
    }
    all.push_back({{"input", samples.names[i]}, {"objects", objects}});
    if (objects.empty()) rows.push_back({samples.names[i], "nothing", "", "", ""});
  }
  if (options.json)
    print_json(all);
  else
    print_text(text_table(rows, /*numbers=*/false));
}

void run(const PredictOptions& options) {
  const Model model = load_model(options.run);
  const InputSpec& spec = model.input;
  if (detected_classes(model.net) > 0) return find_objects(options, model);
  if (!spec.images() && spec.table.is_null())
    throw DataError(options.run + ": the model reads neither images nor table rows", "score it with `retort eval`");
  const Samples samples = spec.images() ? image_samples(options.inputs, spec) : table_samples(options.inputs, spec);
  const Tensor probabilities = predict_logits(model.net, samples.inputs).softmax(1);
  const auto [best, classes] = probabilities.topk(std::min<int64_t>(options.top, probabilities.size(1)), 1);
  json all = json::array();
  std::vector<TableRow> rows;
  for (int64_t i = 0; i < best.size(0); ++i) {
    json top = json::array();
    TableRow row = {samples.names[static_cast<size_t>(i)]};
    for (int64_t k = 0; k < best.size(1); ++k) {
      const std::string& name = spec.classes.at(static_cast<size_t>(classes[i][k].item<int64_t>()));
      const double probability = best[i][k].item<double>();
      top.push_back({{"class", name}, {"probability", probability}});
      row.push_back(fmt::format("{} {:.1f}%", name, 100 * probability));
    }
    all.push_back({{"input", samples.names[static_cast<size_t>(i)]}, {"class", top[0]["class"]}, {"top", top}});
    rows.push_back(std::move(row));
  }
  if (options.json)
    print_json(all);
  else
    print_text(text_table(rows, /*numbers=*/false));
}

}  // namespace

void add_predict_verb(CLI::App& app) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* verb = app.add_subcommand("predict", "Ask a student about images or table rows");
  verb->add_option("run", options->run, "run folder, a .packed file, or a .safetensors file beside its config.json")->required();
  verb->add_option("inputs", options->inputs, "image files; for tables CSV files, or rows such as 5.1,3.5,1.4,0.2")->required();
  verb->add_option("--top", options->top, "how many classes to name")->check(CLI::Range(1, 1000))->capture_default_str();
  verb->add_flag("--json", options->json, "print JSON");
  verb->callback([options] { run(*options); });
}

}  // namespace retort

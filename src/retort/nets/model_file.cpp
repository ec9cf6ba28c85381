#include "retort/nets/model_file.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/safetensors.h"
#include "retort/nets/dense.h"
#include "retort/nets/packed_model.h"

namespace retort {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "retort-model";
constexpr int kVersion = 1;
constexpr std::string_view kEnding = ".safetensors", kPackedEnding = ".packed";

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

std::string folder_config(const std::string& stem) { return (fs::path(stem).parent_path() / "config.json").string(); }

// The stem that a folder, a weight file or a stem means.
std::string stem_of(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const std::string stem = ends_with(path, kEnding) ? path.substr(0, path.size() - kEnding.size()) : path;
    if (file_exists(stem + std::string(kEnding))) return stem;
    throw DataError(fmt::format("{}: no model here: expected {}{}", path, stem, kEnding),
                    "give a run folder, a .safetensors file or its path without the ending");
  }
  if (file_exists(path + "/student.safetensors")) return path + "/student";
  std::vector<std::string> stems;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string file = entry.path().string();
    if (ends_with(file, kEnding)) stems.push_back(file.substr(0, file.size() - kEnding.size()));
  }
  if (stems.size() == 1) return stems.front();
  throw DataError(fmt::format("{}: no model here: expected student.safetensors or one .safetensors file, found {}", path, stems.size()),
                  stems.empty() ? "is this the folder of a finished run?" : "name the file");
}

// The packed file that a path means; empty when it means none.
std::string packed_file(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return file_exists(path + "/student.packed") ? path + "/student.packed" : "";
  if (ends_with(path, kPackedEnding)) return path;
  return !file_exists(path + std::string(kEnding)) && file_exists(path + std::string(kPackedEnding)) ? path + std::string(kPackedEnding)
                                                                                                     : "";
}

void check_config(const nlohmann::json& config, const std::string& path) {
  if (!config.is_object() || !config.contains("format") || config["format"] != kFormat) {
    throw DataError(fmt::format("{}: not the description of a model: expected a JSON object with \"format\": \"{}\"", path, kFormat),
                    "config.json is written beside the weights by retort");
  }
  if (!config.contains("version") || config["version"] != kVersion) {
    throw DataError(
        fmt::format("{}: version {} of the format, expected {}", path, config.value("version", nlohmann::json()).dump(), kVersion),
        "the model was saved by another release of retort");
  }
}

}  // namespace

nlohmann::json model_config(const Net& net, const InputSpec& input) {
  nlohmann::json config = net.spec();
  config.update(input.to_json());
  config["format"] = kFormat;
  config["version"] = kVersion;
  return config;
}

Model empty_model(const nlohmann::json& config, const std::string& where) {
  check_config(config, where);
  Model model{{}, InputSpec::from_json(config, where)};
  try {
    model.net = make_net(config, Seed(0));
  } catch (const ConfigError& error) {
    throw DataError(fmt::format("{}: {}", where, error.what()), error.hint());
  }
  const int64_t detected = detected_classes(model.net), outputs = detected > 0 ? detected : model.net.outputs(),
                classes = static_cast<int64_t>(model.input.classes.size());
  if (classes != 0 && classes != outputs) {
    throw DataError(fmt::format("{}: {} outputs but {} classes", where, outputs, classes), "config.json does not belong to these weights");
  }
  if (model.input.shape != model.net.input_shape()) {
    throw DataError(fmt::format("{}: the net reads [{}] but inputs are prepared as [{}]", where, fmt::join(model.net.input_shape(), ","),
                                fmt::join(model.input.shape, ",")),
                    "config.json does not belong to these weights");
  }
  return model;
}

void save_model(const std::string& stem, const Net& net, const InputSpec& input, bool own_config) {
  write_safetensors(stem + std::string(kEnding), net.named_tensors(), {{"format", kFormat}});
  write_file(own_config ? stem + ".config.json" : folder_config(stem), model_config(net, input).dump(2) + "\n");
}

namespace {

// The model that stands beside the weights, before they are read.
Model described_model(const std::string& stem) {
  const std::string own = stem + ".config.json", config_path = file_exists(own) ? own : folder_config(stem);
  if (!file_exists(config_path)) {
    throw DataError(fmt::format("{}{}: config.json is missing beside it: expected {}", stem, kEnding, config_path),
                    "the weights alone do not say which architecture they belong to");
  }
  return empty_model(nlohmann::json::parse(read_file(config_path), nullptr, /*allow_exceptions=*/false), config_path);
}

}  // namespace

InputSpec load_model_input(const std::string& path) {
  return packed_file(path).empty() ? described_model(stem_of(path)).input : load_model(path).input;
}

Model load_model(const std::string& path) {
  if (const std::string packed = packed_file(path); !packed.empty()) return parse_packed(read_file(packed), packed);
  const std::string stem = stem_of(path), weights = stem + std::string(kEnding);
  Model model = described_model(stem);
  model.net.load(read_safetensors(weights).tensors, weights);
  return model;
}

}  // namespace retort

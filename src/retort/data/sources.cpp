#include "retort/data/sources.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/data/char_windows.h"
#include "retort/data/cifar.h"
#include "retort/data/idx.h"
#include "retort/data/image.h"
#include "retort/data/image_folder.h"
#include "retort/data/places.h"
#include "retort/data/table.h"
#include "retort/data/text_folder.h"
#include "retort/data/worlds.h"

namespace retort {

namespace {

namespace fs = std::filesystem;

std::string found_place(const KnownSet& set) {
  for (const auto& place : set.places)
    if (auto path = find_data(place); !path.empty()) return path;
  return {};
}

// The images file of a part of an IDX folder, by the prefixes in use; empty when there is none.
std::string idx_images(const std::string& folder, const std::vector<std::string>& prefixes) {
  for (const auto& prefix : prefixes)
    for (const char* rest : {"images-idx3-ubyte", "images.idx3-ubyte", "images-idx4-ubyte"})
      for (const char* ending : {"", ".gz"})
        if (const auto path = folder + "/" + prefix + rest + ending; fs::is_regular_file(path)) return path;
  return {};
}

Dataset idx_part(const std::string& images, const std::vector<std::string>& classes) {
  const std::string labels = idx_labels_beside(images);
  if (labels.empty())
    throw DataError(images + ": its labels file is missing", "expected it beside the images, named alike with 'labels' and 'idx1'");
  return read_idx_pair(images, labels, classes);
}

Source idx_source(const std::string& train, const std::string& test, const std::vector<std::string>& classes) {
  Source source{idx_part(train, classes), {}, "images (idx)", {}};
  if (test.empty()) return source;
  source.test = idx_part(test, source.train.spec.classes);
  source.test.ids += source.train.size();
  if (source.test.spec.shape != source.train.spec.shape)
    throw DataError(test + ": its images are of another size than the training images", "get both files again");
  return source;
}

bool has_ending(std::string path, const std::vector<std::string>& endings) {
  if (path.size() > 3 && path.substr(path.size() - 3) == ".gz") path.resize(path.size() - 3);
  return std::any_of(endings.begin(), endings.end(), [&](const std::string& e) {
    return path.size() > e.size() && path.compare(path.size() - e.size(), e.size(), e) == 0;
  });
}

Source path_source(const std::string& path, const DataKnobs& knobs, const KnownSet* known) {
  const auto classes = known ? known->classes : std::vector<std::string>{};
  if (fs::is_directory(path)) {
    if (const auto train = idx_images(path, {"train-", ""}); !train.empty())
      return idx_source(train, idx_images(path, {"t10k-", "test-"}), classes);
    if (is_text_folder(path)) return {read_text_folder(path, knobs.text_features), {}, "texts", {}};
    if (is_cifar_folder(path)) {
      CifarParts parts = read_cifar(path);
      return {std::move(parts.train), std::move(parts.test), "images (cifar)", {}};
    }
    ImageFolderParts parts = read_image_folder(path, knobs.resize, knobs.grey);
    return {std::move(parts.train), std::move(parts.test), "images (folder)", {}};
  }
  if (path.find("images") != std::string::npos && path.find("idx") != std::string::npos) return idx_source(path, {}, classes);
  if (!known && !has_ending(path, {".csv", ".tsv", ".data", ".txt"}))
    throw DataError(path + ": not a data set: expected a folder, an IDX images file, .csv or .tsv",
                    "`retort data list` shows what can be used by name");
  TableOptions options{knobs.label, knobs.header, knobs.columns, knobs.missing, {}, {}};
  if (known) {
    options.names = known->names;
    if (options.label.empty()) options.label = known->label;
    if (options.columns.empty()) options.columns = known->columns;
  }
  return {read_table(path, options), {}, "table", {}};
}

void bring_to_size(Dataset& data, const DataKnobs& knobs) {
  if (!data.size() || !data.spec.images() || (!knobs.grey && !knobs.resize)) return;
  if (knobs.grey) data.inputs = grey_images(data.inputs);
  if (knobs.resize) data.inputs = fit_images(data.inputs, knobs.resize, knobs.resize);
  data.spec.shape = data.inputs.sizes().slice(1).vec();
}

}  // namespace

AbsentData::AbsentData(const std::string& name)
    : DataError("the data set " + name + " is not on this machine",
                "`retort data fetch " + name + "` downloads it; $RETORT_DATA names a folder that has it") {}

Source open_source(const DataKnobs& knobs, Seed seed) {
  const std::string& name = knobs.source;
  if (is_world(name)) {
    if (knobs.resize && name.rfind("world:textures", 0) == 0) return make_world(fmt::format("{},size={}", name, knobs.resize), seed);
    if (knobs.resize)
      throw ConfigError("data.resize: a world has the size it is made with, found " + std::to_string(knobs.resize),
                        "write it into the source: \"" + name + ",size=" + std::to_string(knobs.resize) + "\"");
    return make_world(name, seed);
  }
  if (is_chars(name)) return open_chars(knobs);
  const KnownSet* known = find_known(name);
  const std::string path = known ? found_place(*known) : name;
  if (known && path.empty()) throw AbsentData(name);
  if (!known && !fs::exists(path)) {
    std::vector<std::string> names = world_names();
    for (const auto& set : known_sets()) names.push_back(set.name);
    const std::string near = nearest_name(name, names);
    if (!near.empty()) throw ConfigError("data.source: no data set '" + name + "'", "did you mean '" + near + "'?");
    throw DataError(name + ": no such file or folder, and no data set of this name", "`retort data list` shows what can be used by name");
  }
  Source source = path_source(path, knobs, known);
  source.path = path;
  if (source.kind == "table" && (knobs.resize || knobs.grey))
    throw ConfigError(fmt::format("data.{}: {} is a table, expected images", knobs.resize ? "resize" : "grey", name), "take the key out");
  for (Dataset* part : {&source.train, &source.test}) {
    part->name = name;
    bring_to_size(*part, knobs);
  }
  return source;
}

std::vector<DataEntry> known_data() {
  std::vector<DataEntry> entries;
  for (const auto& set : known_sets()) entries.push_back({set.name, set.kind, set.about, set.licence, found_place(set)});
  for (const auto& [name, about] : world_forms()) entries.push_back({name, "world", about, "generated", "generated"});
  return entries;
}

}  // namespace retort

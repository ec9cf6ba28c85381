// A model on disk: student.safetensors (weights) beside config.json (architecture, classes, how inputs are prepared).
//
// config.json, one object: "format" "retort-model", "version" 1; the net's spec ("arch" as make_net reads it, "input", "outputs", and whatever
// else the spec holds); the inputs ("shape", "classes", "mean", "deviation", "table", as InputSpec writes them).
#pragma once

#include <string>

#include "retort/data/dataset.h"
#include "retort/nets/net.h"

namespace retort {

struct Model {
  Net net;
  InputSpec input;
};
// `stem`: path without the ending, as in "runs/a/student": writes stem.safetensors and the folder's config.json (or stem.config.json when
// `own_config`). Each file appears whole. Throws StorageError.
void save_model(const std::string& stem, const Net& net, const InputSpec& input, bool own_config = false);
// A run folder (its student.packed or student.safetensors, or the only .safetensors file in it), a .packed or .safetensors file or a stem;
// stem.config.json goes before the folder's config.json. Throws DataError.
Model load_model(const std::string& path);
InputSpec load_model_input(const std::string& path);  // how it reads inputs; of a .safetensors model without reading its weights

// The content of config.json, and a model made from it, its weights still to be filled in. `where` leads the DataError of a wrong one.
nlohmann::json model_config(const Net& net, const InputSpec& input);
Model empty_model(const nlohmann::json& config, const std::string& where);

}  // namespace retort

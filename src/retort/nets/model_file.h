// A model on disk: student.safetensors (weights) beside config.json (architecture, classes, how inputs are prepared).
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
// `own_config`).
void save_model(const std::string& stem, const Net& net, const InputSpec& input, bool own_config = false);
// A run folder, a .safetensors file or a stem. Throws DataError.
Model load_model(const std::string& path);

}  // namespace retort

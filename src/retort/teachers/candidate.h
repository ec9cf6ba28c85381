// Teachers that learned something else: other classes, other preparation of the inputs.
#pragma once

#include "retort/data/dataset.h"
#include "retort/teachers/teacher.h"

namespace retort {

// The teacher, fed with inputs prepared as `given` although it learned from inputs prepared as `own`. Throws DataError where the one cannot be made the
// other (shapes or encodings of a table that differ); `name` is who it is about.
std::unique_ptr<Teacher> reading_its_own_way(std::unique_ptr<Teacher> teacher, const InputSpec& own, const InputSpec& given,
                                             const std::string& name);

// A candidate by what a user calls it: a run folder or .safetensors file (shows features), a TorchScript file ending in .pt or .pth, or an .onnx file
// (shows logits; its inputs are prepared as the data's), or the name of a net, which is then drawn at random, as a floor that a real teacher must stand above.
// Throws DataError, TeacherError; ConfigError where `given` is none of them.
std::unique_ptr<Teacher> open_candidate(const std::string& given, const InputSpec& data, at::Device device, Seed seed);

}  // namespace retort

// The teachers of unic: [teachers.NAME] of a recipe, each trained here on a label of its own, read from a file, or random.
#pragma once

#include "retort/train/classifier.h"

namespace retort::features {

struct UnicTeacherKnobs {
  std::string kind = "train", net = "mlp-256-128", file, label = "label", layer = "embedding", patch_layer;
  std::vector<int64_t> only;
  double scale = 1;
  void describe(Knobs& knobs);
};

struct UnicTeacherPlan {
  std::string name;
  UnicTeacherKnobs knobs;
  TrainKnobs train;
};
// The sections [teachers.NAME] and [teachers.NAME.train] (which starts from [train]), those named in `use` or all. Throws ConfigError: none, a name twice, an unknown name.
std::vector<UnicTeacherPlan> read_unic_teachers(Run& run, const std::vector<std::string>& use);

struct UnicTeacher {
  std::string name, layer, patch_layer;  // taps: of the global vector; of the patch features
  double scale;
  Net net;
  std::unique_ptr<Teacher> teacher;
  InputSpec reads;  // how it prepares its inputs

  Dataset read(Dataset data) const;                                    // the data as this teacher prepares them
  Tensor read(const Tensor& inputs, const InputSpec& prepared) const;  // the same of inputs that are prepared already, as `prepared` says
};
std::vector<UnicTeacher> make_unic_teachers(ClassifierRun& c, const std::vector<UnicTeacherPlan>& plans);

// The data with another of their labels: "label", or an extra such as "rotation". `only`: rows of these classes, relabelled in this order. Throws ConfigError.
Dataset labelled_by(const Dataset& data, const std::string& label, const std::vector<int64_t>& only = {});

}  // namespace retort::features

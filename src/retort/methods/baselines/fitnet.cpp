// Hints: a regressor must find the teacher's middle features in the student's.  Romero et al. 2015, arXiv 1412.6550
#include "retort/methods/baselines/fitnet.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/train/projector.h"

namespace retort::baselines {

struct FitnetKnobs {
  double weight = 100;
  bool relu = true;
  std::string student_layer, teacher_layer;
  void describe(Knobs& knobs) {
    knobs("weight", weight, "weight of the mean squared error between regressed and teacher features", at_least(0));
    knobs("relu", relu, "ReLU behind the regressor; false where the teacher's features may be negative");
    knobs("student_layer", student_layer, "tap of the student; its middle stage when empty");
    knobs("teacher_layer", teacher_layer, "tap of the teacher; its middle stage when empty");
  }
};

// CE + weight * MSE(regressor(student), teacher).
class FitnetObjective : public Objective {
 public:
  explicit FitnetObjective(const FitnetKnobs& knobs) : knobs_(knobs) {}

  std::vector<std::string> student_taps() const override { return {knobs_.student_layer}; }
  Wanted wanted() const override {
    Wanted wanted;
    wanted.features = {knobs_.teacher_layer};
    return wanted;
  }

  void setup(Trainer& trainer) override {
    const Net& student = trainer.student();
    const Teacher& teacher = *trainer.teacher();
    choose_layers(student, teacher);
    try {
      regressor_ = hint_regressor(student.tap_shape(knobs_.student_layer), teacher.tap_shape(knobs_.teacher_layer), knobs_.relu,
                                  trainer.seed().stream("regressor"));
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("kd.fitnet: layers {} and {}: {}", knobs_.student_layer, knobs_.teacher_layer, error.what()),
                        error.hint());
    }
    trainer.learn("regressor", regressor_);
  }

  Loss loss(const Step& step) override {
    const Tensor regressed = regressor_.forward(step.taps.at(knobs_.student_layer));
    return Loss()
        .add("ce", label_loss(step))
        .add("hint", losses::mse(regressed, step.teacher.features.at(knobs_.teacher_layer)), knobs_.weight);
  }

 private:
  FitnetKnobs knobs_;
  Net regressor_;

  // The middle stages; the embeddings where one side's middle is a map and the other's a vector.
  void choose_layers(const Net& student, const Teacher& teacher) {
    const bool free = knobs_.student_layer.empty() && knobs_.teacher_layer.empty();
    if (knobs_.student_layer.empty()) knobs_.student_layer = middle_stage(student.tap_names());
    if (knobs_.teacher_layer.empty()) knobs_.teacher_layer = middle_stage(teacher.tap_names());
    if (free && student.tap_shape(knobs_.student_layer).size() != teacher.tap_shape(knobs_.teacher_layer).size()) {
      knobs_.student_layer = knobs_.teacher_layer = "embedding";
    }
  }
};

Method fitnet() {
  return classifier_method<FitnetKnobs>(MethodInfo("kd.fitnet")
                                            .in("baselines")
                                            .needs(Access::features)
                                            .idea("regress the teacher's middle features from the student's")
                                            .source("Romero et al. 2015, arXiv 1412.6550"),
                                        [](const FitnetKnobs& knobs) { return std::make_unique<FitnetObjective>(knobs); });
}

}  // namespace retort::baselines

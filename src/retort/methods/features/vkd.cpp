#include "retort/methods/features/vkd.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/features/vkd_generate.h"
#include "retort/nets/last_layer.h"
#include "retort/train/feature_path.h"

namespace retort::features {
namespace {

struct VkdKnobs {
  double alpha = 1, gamma = 1, temperature = 1, smoothing = 0.1;
  std::string task = "classify", heads = "two";
  std::vector<std::string> student_layers, teacher_layers;
  FeaturePathKnobs path;
  GeneratorKnobs generator;
  void describe(Knobs& knobs) {
    knobs("task", task,
          "classify: a classifier; generate: a generator of points like the data's, whose discriminator learns the teacher's features",
          one_of({"classify", "generate"}));
    knobs("alpha", alpha, "weight of the feature loss, summed over the layers; 4 is the paper's for detectors", at_least(0));
    knobs("gamma", gamma, "weight of the divergence from the teacher's classes", at_least(0));
    knobs("temperature", temperature, "softmax temperature of that divergence, both sides", above(0));
    knobs("smoothing", smoothing, "label smoothing", between(0, 1));
    knobs("heads", heads, "two: one head learns the labels, another the teacher's classes, and their mean decides; one head learns both",
          one_of({"two", "one"}));
    knobs("student_layers", student_layers, "taps of the student; its last stage when empty");
    knobs("teacher_layers", teacher_layers, "taps of the teacher, as many; its last stage when empty");
    path.describe(knobs);
    generator.describe(knobs);
  }
  void check(const Recipe& recipe) const {
    if (student_layers.size() == teacher_layers.size() || student_layers.empty() || teacher_layers.empty()) return;
    throw ConfigError(fmt::format("{}: knobs.student_layers: {} layers of the student and {} of the teacher",
                                  recipe.where("knobs.student_layers"), student_layers.size(), teacher_layers.size()),
                      "name them in pairs");
  }
};

std::string last_stage(const std::vector<std::string>& taps) {
  const auto stages = stage_taps(taps);
  return stages.empty() ? "embedding" : stages.back();
}

// CE(head of labels) + gamma T^2 KL(teacher || head of the teacher) + alpha sum over layers of smooth-L1 between f_s P^T and N(f_t).
class VkdObjective : public Objective {
 public:
  VkdObjective(const VkdKnobs& knobs, bool tokens) : knobs_(knobs), tokens_(tokens) {}

  std::vector<std::string> student_taps() const override {
    std::vector<std::string> taps = knobs_.student_layers;
    if (tokens_)
      taps.insert(taps.end(), {"class_logits", "distillation_logits"});
    else
      taps.push_back("logits");
    return taps;
  }
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = knobs_.gamma > 0;
    wanted.features = knobs_.teacher_layers;
    return wanted;
  }

  void setup(Trainer& trainer) override {
    const Net& student = trainer.student();
    const Teacher& teacher = *trainer.teacher();
    if (knobs_.student_layers.empty()) knobs_.student_layers = {last_stage(student.tap_names())};
    if (knobs_.teacher_layers.empty()) knobs_.teacher_layers = {last_stage(teacher.tap_names())};
    if (knobs_.student_layers.size() != knobs_.teacher_layers.size())
      throw ConfigError("vkd: student_layers and teacher_layers come in pairs", "name as many of both");
    for (size_t i = 0; i < knobs_.student_layers.size(); ++i) {
      const std::string &mine = knobs_.student_layers[i], &theirs = knobs_.teacher_layers[i];
      try {
        paths_.push_back(std::make_unique<FeaturePath>(knobs_.path, student.tap_shape(mine), teacher.tap_shape(theirs),
                                                       trainer.seed().stream("projector", i)));
      } catch (const ConfigError& error) {
        throw ConfigError(fmt::format("vkd: layers {} and {}: {}", mine, theirs, error.what()), error.hint());
      }
      paths_.back()->learn(trainer, i == 0 ? "projector" : fmt::format("projector{}", i + 1));
    }
  }

  Loss loss(const Step& step) override {
    const auto [labelled, taught] = heads(step);
    Loss loss;
    loss.add("ce", label_term(labelled, step.batch));
    if (knobs_.gamma > 0)
      loss.add("kd", losses::kl(taught, step.teacher.logits, losses::Temperature{knobs_.temperature}.scaled()), knobs_.gamma);
    Tensor features;
    for (size_t i = 0; i < paths_.size(); ++i) {
      const Tensor term = paths_[i]->loss(step.taps.at(knobs_.student_layers[i]), step.teacher.features.at(knobs_.teacher_layers[i]));
      features = features.defined() ? features + term : term;
    }
    return loss.add("features", features, knobs_.alpha);
  }

  double gram_error() const { return paths_.front()->gram_error(); }

 private:
  VkdKnobs knobs_;
  bool tokens_;
  std::vector<std::unique_ptr<FeaturePath>> paths_;  // they stay where they are: the trainer holds their projectors

  // Logits of the head that learns labels, and of the one that learns the teacher's classes.
  std::pair<Tensor, Tensor> heads(const Step& step) const {
    if (tokens_) return {step.taps.at("class_logits"), step.taps.at("distillation_logits")};
    const Tensor& both = step.taps.at("logits");
    const int64_t classes = step.logits.size(1);
    return {both.narrow(1, 0, classes), both.narrow(1, both.size(1) - classes, classes)};
  }

  Tensor label_term(const Tensor& logits, const Batch& batch) const {
    if (knobs_.smoothing == 0) return label_loss(logits, batch);
    if (!batch.targets.defined()) return losses::smoothed_cross_entropy(logits, batch.labels, knobs_.smoothing);
    return losses::soft_cross_entropy(logits,
                                      (1 - knobs_.smoothing) * batch.targets + knobs_.smoothing * batch.targets.mean(1, /*keepdim=*/true));
  }
};

void run_classifier(Run& run, const VkdKnobs& knobs) {
  ClassifierRun classifier = prepare_classifier(run, Access::features);
  Net student = classifier.make_student(run.seed.stream("student"));
  const auto taps = student.tap_names();
  const bool tokens = std::find(taps.begin(), taps.end(), "distillation_logits") != taps.end(),
             twins = !tokens && knobs.heads == "two" && knobs.gamma > 0;
  if (twins) student = with_twin_heads(student, run.seed.stream("second head"));
  VkdObjective objective(knobs, tokens);
  classifier.fit("student", student, objective);
  run.outcome.metrics["gram_error"] = objective.gram_error();
  classifier.conclude(twins ? joined_heads(student) : student);
}

}  // namespace

Method vkd() {
  return {MethodInfo("vkd")
              .paper(18)
              .in("features")
              .needs(Access::features)
              .idea("reach the teacher's features through a projector that keeps every inner product")
              .source("Miles et al. 2024, arXiv 2403.06213"),
          [] {
            VkdKnobs section;
            return knobs_of(section).all();
          },
          [](Run& run) {
            const auto knobs = read_method_knobs<VkdKnobs>(run);
            if (knobs.task == "generate")
              run_generator(run, knobs.path, knobs.alpha, knobs.generator);
            else
              run_classifier(run, knobs);
          }};
}

}  // namespace retort::features

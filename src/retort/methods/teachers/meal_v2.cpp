#include "retort/methods/teachers/meal_v2.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/adversarial.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/discriminator.h"

namespace retort::teachers {
namespace {

template <class Transform>
Tensor weighted_mean(const Tensors& members, const std::vector<double>& weights, Transform transform) {
  if (members.empty() || (!weights.empty() && weights.size() != members.size())) {
    throw ConfigError(fmt::format("the mean of {} teachers with {} weights", members.size(), weights.size()),
                      "one weight a teacher, or none");
  }
  double total = 0;
  for (const double weight : weights) total += weight;
  Tensor sum;
  for (size_t m = 0; m < members.size(); ++m) {
    if (members[m].sizes() != members[0].sizes()) {
      throw ConfigError(fmt::format("teachers must know the same classes: member 0 answers with [{}], member {} with [{}]",
                                    fmt::join(members[0].sizes(), ", "), m, fmt::join(members[m].sizes(), ", ")),
                        "leave one of them out");
    }
    const double weight = weights.empty() ? 1.0 / static_cast<double>(members.size()) : weights[m] / total;
    const Tensor part = transform(members[m]) * weight;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

struct MealKnobs {
  std::string discriminator = "joint", d_reads = "logits";
  double d_weight = 1, d_lr = 1e-4, w_soft = 1, w_hard = 0;
  int64_t shrink = 8;
  bool d_last_relu = true, d_follows_schedule = false, require_init = false;
  void describe(Knobs& knobs) {
    knobs("w_soft", w_soft, "weight of the cross-entropy with the teachers' mean probabilities", at_least(0));
    knobs("w_hard", w_hard, "weight of a cross-entropy with the labels; the method needs none", at_least(0));
    knobs(
        "discriminator", discriminator,
        "joint: a regulariser that keeps the student's logits apart from the teachers'; adversarial: the student learns to deceive it; off",
        one_of({"joint", "adversarial", "off"}));
    knobs("d_weight", d_weight, "weight of the discriminator's loss", at_least(0));
    knobs("d_lr", d_lr, "learning rate of the discriminator", above(0));
    knobs("d_follows_schedule", d_follows_schedule,
          "the discriminator's learning rate falls with the student's, instead of staying as it is");
    knobs("d_last_relu", d_last_relu, "a ReLU behind the discriminator's last layer, as in the paper's code; without one it cannot die");
    knobs("d_reads", d_reads, "what the discriminator sees: logits, or probabilities where teachers show no more",
          one_of({"logits", "probabilities"}));
    knobs("shrink", shrink, "by how much each of the discriminator's layers is narrower; its square may not exceed the classes",
          at_least(1));
    knobs("require_init", require_init, "a student that starts at random is an error, not a warning");
  }
  void check(const Recipe& recipe) const {
    if (w_soft + w_hard > 0) return;
    throw ConfigError(recipe.where("knobs.w_soft") + ": knobs.w_soft: neither teachers nor labels have a weight", "set knobs.w_soft = 1");
  }
};

class MealObjective : public Objective {
 public:
  MealObjective(const MealKnobs& knobs, std::vector<double> weights) : knobs_(knobs), weights_(std::move(weights)) {}

  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = wanted.members = knobs_.w_soft > 0 || discriminates();
    return wanted;
  }

  void setup(Trainer& trainer) override {
    if (!discriminates()) return;
    try {
      discriminator_ = logit_discriminator(trainer.student().outputs(), knobs_.shrink, knobs_.d_last_relu,
                                           trainer.seed().stream("discriminator"));
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}: knobs.shrink: {}", trainer.run().recipe.where("knobs.shrink"), error.what()), error.hint());
    }
    OptimiserKnobs settings = trainer.job().knobs.optimiser;
    settings.lr = knobs_.d_lr;
    settings.weight_decay = 0;
    trainer.learn("discriminator", discriminator_, 1, &settings);
  }

  Loss loss(const Step& step) override {
    const Tensors alone{step.teacher.logits};
    const Tensors& members = step.teacher.members.empty() ? alone : step.teacher.members;
    const std::vector<double> weights = members.size() == weights_.size() ? weights_ : std::vector<double>{};
    Loss loss;
    if (knobs_.w_soft > 0) loss.add("soft", losses::soft_cross_entropy(step.logits, mean_probabilities(members, weights)), knobs_.w_soft);
    if (knobs_.w_hard > 0) loss.add("ce", label_loss(step), knobs_.w_hard);
    if (!discriminates()) return loss;
    if (!knobs_.d_follows_schedule) keep_rate(step.trainer);
    const bool logits = knobs_.d_reads == "logits";
    const Tensor student = logits ? step.logits : at::softmax(step.logits, 1),
                 teachers = logits ? mean_logits(members, weights) : mean_probabilities(members, weights);
    return loss.add("discriminator", discrimination(discriminator_, student, teachers, knobs_.discriminator == "adversarial"),
                    knobs_.d_weight);
  }

 private:
  MealKnobs knobs_;
  std::vector<double> weights_;
  Net discriminator_;

  bool discriminates() const { return knobs_.discriminator != "off" && knobs_.d_weight > 0; }

  // The schedule is the student's: the discriminator's group undoes it.
  void keep_rate(Trainer& trainer) const {
    for (ParamGroup& group : trainer.optimiser().groups())
      if (group.name == "discriminator") group.lr_scale = trainer.lr_factor() > 0 ? 1 / trainer.lr_factor() : 0;
  }
};

void run_meal(Run& run) {
  const auto knobs = read_method_knobs<MealKnobs>(run);
  const auto start = run.recipe.read<StudentKnobs>("student");
  if (start.start.empty() && !start.trained) {
    if (knobs.require_init) {
      throw ConfigError(run.recipe.where("knobs.require_init") + ": knobs.require_init: the student starts at random",
                        "name a model in student.start, or set student.trained = true with a [student.train]");
    }
    if (!run.quiet)
      warn("meal-v2 polishes a student that has been trained before, and this one starts at random: set student.start or student.trained");
  }
  ClassifierRun classifier = prepare_classifier(run, Access::logits);
  Net student = classifier.make_student(run.seed.stream("student"));
  if (start.trained || !start.start.empty()) classifier.show("before", student);
  MealObjective objective(knobs, classifier.source.teacher.weights);
  classifier.fit("student", student, objective);
  classifier.conclude(student);
}

}  // namespace

Tensor mean_probabilities(const Tensors& members, const std::vector<double>& weights) {
  return weighted_mean(members, weights, [](const Tensor& z) { return at::softmax(z, 1); });
}

Tensor mean_logits(const Tensors& members, const std::vector<double>& weights) {
  return weighted_mean(members, weights, [](const Tensor& z) { return z; });
}

Tensor discrimination(const Net& discriminator, const Tensor& student, const Tensor& teachers, bool adversarial) {
  return losses::discriminator_loss(discriminator.forward(adversarial ? losses::gradient_reversed(student) : student),
                                    discriminator.forward(teachers.detach()));
}

Method meal_v2() {
  return {MethodInfo("meal-v2")
              .paper(28)
              .in("teachers")
              .needs(Access::logits)
              .idea("polish a trained student with the mean probabilities of several teachers, without labels")
              .source("Shen and Savvides 2020, arXiv 2009.08453"),
          [] {
            MealKnobs section;
            return knobs_of(section).all();
          },
          run_meal};
}

}  // namespace retort::teachers

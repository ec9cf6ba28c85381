#include "retort/methods/logits/funmatch.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"

namespace retort::logits {

Tensor matching_loss(const Tensor& student, const Tensors& teachers, double temperature) {
  Tensor sum;
  for (const Tensor& teacher : teachers) {
    const Tensor one = losses::kl(student, teacher, losses::Temperature{temperature}.scaled());
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

namespace {

struct FunmatchKnobs {
  double temperature = 1, w_ce = 0;
  bool allow_labels = false;
  void describe(Knobs& knobs) {
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("w_ce", w_ce, "weight of a cross-entropy with the labels; the method has none", at_least(0));
    knobs("allow_labels", allow_labels, "w_ce above 0 is meant");
  }
  void check(const Recipe& recipe) const {
    if (w_ce == 0 || allow_labels) return;
    throw ConfigError(fmt::format("{}: knobs.w_ce: function matching uses no labels, found {}", recipe.where("knobs.w_ce"), w_ce),
                      "set knobs.w_ce = 0, or knobs.allow_labels = true if that is meant");
  }
};

// Who sees which view is the recipe's [views]: policy same with mixup is function matching itself, the others are what it is compared with.
class FunmatchObjective : public Objective {
 public:
  explicit FunmatchObjective(const FunmatchKnobs& knobs) : knobs_(knobs) {}

  // Of several teachers each member's own logits: at a temperature other than 1 the mean probability is not the same target.
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = wanted.members = true;
    return wanted;
  }

  Loss loss(const Step& step) override {
    const Tensors alone{step.teacher.logits};
    Loss loss;
    loss.add("match", matching_loss(step.logits, step.teacher.members.empty() ? alone : step.teacher.members, knobs_.temperature));
    return knobs_.w_ce > 0 ? loss.add("ce", label_loss(step), knobs_.w_ce) : loss;
  }

 private:
  FunmatchKnobs knobs_;
};

}  // namespace

Method funmatch() {
  return classifier_method<FunmatchKnobs>(
      MethodInfo("funmatch")
          .paper(112)
          .in("logits")
          .needs(Access::logits)
          .idea("match the teacher's function on shared, heavily mixed views, for long and without labels")
          .source("Beyer et al. 2022, arXiv 2106.05237"),
      [](const FunmatchKnobs& knobs) { return std::make_unique<FunmatchObjective>(knobs); });
}

}  // namespace retort::logits

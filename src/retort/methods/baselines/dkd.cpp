// Decoupled distillation: how sure the teacher is of the label, and how it ranks the other classes, weighted apart.  Zhao et al. 2022, arXiv 2203.08679
#include "retort/methods/baselines/dkd.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/ramp.h"

namespace retort::baselines {

struct DkdKnobs {
  double alpha = 1, beta = 8, temperature = 4, warmup = 20;
  void describe(Knobs& knobs) {
    knobs("alpha", alpha, "weight of the target-class part (TCKD)", at_least(0));
    knobs("beta", beta, "weight of the part among the other classes (NCKD)", at_least(0));
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("warmup", warmup, "epochs over which both parts grow to their weight", at_least(0));
  }
};

// CE + min(epoch / warmup, 1) * (alpha * TCKD + beta * NCKD), epochs counted from 1.
class DkdObjective : public Objective {
 public:
  explicit DkdObjective(const DkdKnobs& knobs) : knobs_(knobs) {}

  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = true;
    return wanted;
  }

  void setup(Trainer& trainer) override {
    const Recipe& recipe = trainer.run().recipe;
    if (trainer.student().outputs() < 3 && knobs_.beta > 0) {
      throw ConfigError(fmt::format("{}: knobs.beta: with {} classes there is nothing to tell beside the label", recipe.where("knobs.beta"),
                                    trainer.student().outputs()),
                        "set knobs.beta = 0, or use kd.hinton");
    }
    if (trainer.job().views.mixes()) {
      throw ConfigError(recipe.where("views.mixup") + ": views.mixup: kd.dkd needs one label a sample",
                        "set views.mixup = 0, or use kd.hinton");
    }
  }

  Loss loss(const Step& step) override {
    const auto [target, non_target] = losses::decoupled_kl(step.logits, step.teacher.logits, step.labels(), knobs_.temperature);
    const double growth = ramp(static_cast<double>(step.epoch + 1), knobs_.warmup);
    return Loss().add("ce", label_loss(step)).add("tckd", target, growth * knobs_.alpha).add("nckd", non_target, growth * knobs_.beta);
  }

 private:
  DkdKnobs knobs_;
};

Method dkd() {
  return classifier_method<DkdKnobs>(MethodInfo("kd.dkd")
                                         .in("baselines")
                                         .needs(Access::logits)
                                         .idea("weight the teacher's view of the label and of the other classes apart")
                                         .source("Zhao et al. 2022, arXiv 2203.08679"),
                                     [](const DkdKnobs& knobs) { return std::make_unique<DkdObjective>(knobs); });
}

}  // namespace retort::baselines

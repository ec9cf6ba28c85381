// Knowledge distillation: the student matches the teacher's softened probabilities beside the labels.  Hinton et al. 2015, arXiv 1503.02531
#include "retort/methods/baselines/hinton.h"

#include "retort/losses/soft_targets.h"

namespace retort::baselines {

struct HintonKnobs {
  double temperature = 4, w_ce = 0.1, w_kd = 0.9;
  void describe(Knobs& knobs) {
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("w_ce", w_ce, "weight of the cross-entropy with the labels", at_least(0));
    knobs("w_kd", w_kd, "weight of the divergence from the teacher", at_least(0));
  }
};

Loss hinton_loss(const Step& step, double temperature, double w_ce, double w_kd) {
  const auto weighted = [&](const Tensor& ce, const Tensor& kd) { return Loss().add("ce", ce, w_ce).add("kd", kd, w_kd); };
  if (w_kd == 0) return Loss().add("ce", label_loss(step), w_ce);
  if (step.batch.targets.defined()) return weighted(label_loss(step), losses::kl(step.logits, step.teacher.logits, losses::Temperature{temperature}.scaled()));
  const auto [ce, kd] = losses::cross_entropy_and_kl(step.logits, step.teacher.logits, step.labels(), temperature);
  return weighted(ce, kd);
}

Method hinton() {
  return classifier_method<HintonKnobs>(MethodInfo("kd.hinton")
                                            .in("baselines")
                                            .needs(Access::logits)
                                            .idea("match the teacher's softened probabilities beside the labels")
                                            .source("Hinton et al. 2015, arXiv 1503.02531"),
                                        [](const HintonKnobs& knobs) {
                                          Wanted wanted;
                                          wanted.logits = knobs.w_kd > 0;
                                          return objective(wanted, [knobs](const Step& step) { return hinton_loss(step, knobs.temperature, knobs.w_ce, knobs.w_kd); });
                                        });
}

}  // namespace retort::baselines

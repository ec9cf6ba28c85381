// Knowledge distillation: the student matches the teacher's softened probabilities beside the labels.  Hinton et al. 2015, arXiv 1503.02531
#include "retort/methods/baselines/hinton.h"

namespace retort::baselines {

struct HintonKnobs {
  double temperature = 4, w_ce = 0.1, w_kd = 0.9;
  void describe(Knobs& knobs) {
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("w_ce", w_ce, "weight of the cross-entropy with the labels", at_least(0));
    knobs("w_kd", w_kd, "weight of the divergence from the teacher", at_least(0));
  }
};

Method hinton() {
  return classifier_method<HintonKnobs>(MethodInfo("kd.hinton")
                                            .in("baselines")
                                            .needs(Access::logits)
                                            .idea("match the teacher's softened probabilities beside the labels")
                                            .source("Hinton et al. 2015, arXiv 1503.02531"),
                                        [](const HintonKnobs& knobs) {
                                          Wanted wanted;
                                          wanted.logits = knobs.w_kd > 0;
                                          return objective(wanted, [knobs](const Step& step) {
                                            return label_and_teacher_loss(step.logits, step.batch, step.teacher.logits, knobs.temperature,
                                                                          knobs.w_ce, knobs.w_kd);
                                          });
                                        });
}

}  // namespace retort::baselines

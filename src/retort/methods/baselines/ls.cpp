// Label smoothing: a share eps of every label is spread evenly over all classes.  Szegedy et al. 2016, arXiv 1512.00567
#include "retort/methods/baselines/ls.h"

#include "retort/losses/soft_targets.h"

namespace retort::baselines {

struct LsKnobs {
  double eps = 0.1;
  void describe(Knobs& knobs) { knobs("eps", eps, "share of a label that is spread over all classes", between(0, 1)); }
};

Tensor smoothed_label_loss(const Step& step, double eps) {
  const Tensor& mixed = step.batch.targets;
  if (!mixed.defined()) return losses::smoothed_cross_entropy(step.logits, step.labels(), eps);
  return losses::soft_cross_entropy(step.logits, (1 - eps) * mixed + eps / static_cast<double>(mixed.size(1)));
}

Method ls() {
  return classifier_method<LsKnobs>(
      MethodInfo("ls").in("baselines").idea("cross-entropy with smoothed labels").source("Szegedy et al. 2016, arXiv 1512.00567"),
      [](const LsKnobs& knobs) {
        return objective({}, [knobs](const Step& step) { return Loss().add("ls", smoothed_label_loss(step, knobs.eps)); });
      });
}

}  // namespace retort::baselines

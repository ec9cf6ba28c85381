// Cross-entropy: the student learns from the labels alone.
#include "retort/methods/baselines/ce.h"

namespace retort::baselines {

struct CeKnobs {
  void describe(Knobs&) {}
};

Method ce() {
  return classifier_method<CeKnobs>(MethodInfo("ce").in("baselines").idea("learn from the labels alone: what every method has to beat"),
                                    [](const CeKnobs&) { return label_objective(); });
}

}  // namespace retort::baselines

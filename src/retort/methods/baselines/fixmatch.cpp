#include "retort/methods/baselines/fixmatch.h"

#include "retort/data/transforms.h"
#include "retort/losses/soft_targets.h"

namespace retort::baselines {

Tensor consistency_loss(const Tensor& weak, const Tensor& strong, double threshold) {
  const auto [confidence, decision] = at::softmax(weak.detach(), 1).max(1);
  const Tensor counted = at::where(confidence > threshold, decision, at::full({}, -1, decision.options()));
  const auto rows = static_cast<double>((counted >= 0).sum().item<int64_t>());  // cross_entropy averages over those
  return losses::cross_entropy(strong, counted) * (rows / static_cast<double>(counted.size(0)));
}

namespace {

struct FixmatchKnobs {
  double threshold = 0.95, weight = 1, noise = 0.3;
  int64_t shift = 2, cutout = 3;
  bool flip = false, strong = true;
  void describe(Knobs& knobs) {
    knobs("threshold", threshold, "a decision counts as a label when its probability is above that", between(0, 1));
    knobs("weight", weight, "weight of the pseudo-labels", at_least(0));
    knobs("strong", strong, "pseudo-labels are learned on a stronger view than they were made on; false is plain pseudo-labelling");
    knobs("shift", shift, "strong view: move by up to so many pixels", at_least(0));
    knobs("cutout", cutout, "strong view: blank a square of this side", at_least(0));
    knobs("noise", noise, "strong view: deviation of Gaussian noise", at_least(0));
    knobs("flip", flip, "strong view: mirror left and right");
  }
};

// Weak views are those of the recipe's [views].
class FixmatchObjective : public Objective {
 public:
  explicit FixmatchObjective(const FixmatchKnobs& knobs) : knobs_(knobs) {
    views_.noise = knobs.noise;
    views_.shift = knobs.shift;
    views_.cutout = knobs.cutout;
    views_.flip = knobs.flip;
  }

  void setup(Trainer& trainer) override {
    if (knobs_.strong) check_views(views_, trainer.data().spec, trainer.job().knobs.batch);
  }

  Loss loss(const Step& step) override {
    Tensor strong = step.logits;
    if (knobs_.strong) {
      const Tensor seen = random_views(step.batch.clean, step.batch.ids, views_, step.trainer.data().spec,
                                       step.trainer.seed().stream("strong", static_cast<uint64_t>(step.step)));
      strong = step.trainer.student().forward(seen.to(step.logits.device()));
    }
    return Loss().add("ce", label_loss(step)).add("pseudo", consistency_loss(step.logits, strong, knobs_.threshold), knobs_.weight);
  }

 private:
  FixmatchKnobs knobs_;
  ViewKnobs views_;
};

}  // namespace

Method fixmatch() {
  return classifier_method<FixmatchKnobs>(
      MethodInfo("fixmatch")
          .in("baselines")
          .idea("learn from one's own sure decisions about unlabelled samples, on stronger views of them")
          .source("Sohn et al. 2020, arXiv 2001.07685"),
      [](const FixmatchKnobs& knobs) { return std::make_unique<FixmatchObjective>(knobs); });
}

}  // namespace retort::baselines

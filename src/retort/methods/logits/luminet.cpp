#include "retort/methods/logits/luminet.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/logit_transforms.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/ramp.h"

namespace retort::logits {

Tensor perception_loss(const Tensor& student, const Tensor& teacher, double alpha, double temperature, Centring centring) {
  const auto seen = [&](const Tensor& z) {
    if (centring == Centring::batch) return losses::standardised_by_class(z);
    return centring == Centring::sample ? losses::standardised_by_sample(z) : z;
  };
  return alpha * alpha * losses::kl(seen(student), seen(teacher.detach()), losses::Temperature{temperature});
}

namespace {

// Mean and variance of fewer rows are noise: such a rest of an epoch teaches by its labels alone.
constexpr int64_t kFewRows = 8;

struct LuminetKnobs {
  double alpha = 3, temperature = 1, w_ce = 1, warmup = 20;
  std::string centring = "batch";
  bool allow_no_labels = false;
  void describe(Knobs& knobs) {
    knobs(
        "alpha", alpha,
        "enters squared as the weight of the perception term; tuned with the temperature (CIFAR-100: 33 at 4, 70 at 8; ImageNet: 2 at 0.7)",
        above(0));
    knobs("temperature", temperature, "softmax temperature of both sides; no T^2 factor", above(0));
    knobs("w_ce", w_ce, "weight of the cross-entropy with the labels", at_least(0));
    knobs("warmup", warmup, "epochs over which the perception term grows to its weight", at_least(0));
    knobs("centring", centring,
          "batch: logits standardised per class over the batch; sample: per sample over its classes; none: raw logits",
          one_of({"batch", "sample", "none"}));
    knobs("allow_no_labels", allow_no_labels, "w_ce = 0 is meant: the perception term alone leaves every class's shift and scale open");
  }
  void check(const Recipe& recipe) const {
    if (w_ce > 0 || allow_no_labels) return;
    throw ConfigError(recipe.where("knobs.w_ce") +
                          ": knobs.w_ce: without labels the student's decisions are arbitrary: the perception term is blind to each "
                          "class's shift and scale",
                      "set knobs.w_ce = 1, or knobs.allow_no_labels = true if that is meant");
  }
  Centring choice() const { return centring == "batch" ? Centring::batch : centring == "sample" ? Centring::sample : Centring::none; }
};

// w_ce * CE + min(epoch / warmup, 1) * perception, epochs counted from 1.
class LuminetObjective : public Objective {
 public:
  explicit LuminetObjective(const LuminetKnobs& knobs) : knobs_(knobs) {}

  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = true;
    return wanted;
  }

  void setup(Trainer& trainer) override {
    if (knobs_.choice() != Centring::batch) return;
    const TrainKnobs& train = trainer.job().knobs;
    if (train.batch < 2) {
      throw ConfigError(fmt::format("{}: train.batch: luminet standardises over the batch, found {}",
                                    trainer.run().recipe.where("train.batch"), train.batch),
                        "set train.batch to 32 or more");
    }
    if (!train.shuffle) warn("luminet: train.shuffle = false can make batches of one class, whose mean and variance say nothing");
  }

  Loss loss(const Step& step) override {
    const bool too_few = knobs_.choice() == Centring::batch && step.batch.size() < std::min(kFewRows, step.trainer.job().knobs.batch);
    const Tensor perception = perception_loss(step.logits, step.teacher.logits, knobs_.alpha, knobs_.temperature, knobs_.choice());
    return Loss()
        .add("ce", label_loss(step), knobs_.w_ce)
        .add("perception", perception, too_few ? 0 : ramp(static_cast<double>(step.epoch + 1), knobs_.warmup));
  }

 private:
  LuminetKnobs knobs_;
};

}  // namespace

Method luminet() {
  return classifier_method<LuminetKnobs>(MethodInfo("luminet")
                                             .paper(55)
                                             .in("logits")
                                             .needs(Access::logits)
                                             .idea("match logits standardised per class over the batch")
                                             .source("Hossain et al. 2023, arXiv 2310.03669"),
                                         [](const LuminetKnobs& knobs) { return std::make_unique<LuminetObjective>(knobs); });
}

}  // namespace retort::logits

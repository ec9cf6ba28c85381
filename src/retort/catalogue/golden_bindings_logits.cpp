// Losses on logits, and a model's own past.
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/logit_transforms.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/logits/luminet.h"
#include "retort/methods/self/pskd.h"
#include "retort/stats/classification.h"

namespace retort {
namespace {

TensorMap luminet_loss(const GoldenCase& c) {
  const double eps = c.number("eps");
  return {{"loss", logits::perception_loss(c["logits_student"], c["logits_teacher"], c.number("alpha"), c.number("temperature"))},
          {"perception_student", losses::standardised_by_class(c["logits_student"], eps)},
          {"perception_teacher", losses::standardised_by_class(c["logits_teacher"], eps)}};
}

TensorMap pskd_loss(const GoldenCase& c) {
  const double share = self::refinement_share(c.number("alpha_T"), c.whole("epoch_1based"), c.whole("total_epochs"));
  const Tensor target = losses::mixed_target(c["target"], c["previous_probs"], share);
  return {{"soft_target", target}, {"loss", losses::soft_cross_entropy(c["logits"], target)}};
}

TensorMap pskd_calibration(const GoldenCase& c) {
  const Tensor &probabilities = c["probs"], &labels = c["target"];
  const auto [confidence, decision] = probabilities.max(1);
  const RiskCoverage risk = risk_coverage(confidence, decision == labels);
  const int bins = static_cast<int>(std::lround(1 / c.number("bin_size")));
  return {{"ece_percent", torch::tensor(100 * expected_calibration_error(probabilities, labels, bins))},
          {"aurc_x1000", torch::tensor(1000 * risk.area)},
          {"eaurc_x1000", torch::tensor(1000 * risk.excess)}};
}

}  // namespace

GoldenTable logit_bindings() {
  return {
      {"luminet.loss", {luminet_loss}},
      {"pskd.loss", {pskd_loss}},
      {"pskd.calibration", {pskd_calibration}},
  };
}

}  // namespace retort

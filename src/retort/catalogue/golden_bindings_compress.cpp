// Weights on few levels, and dense detectors.
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/boxes.h"
#include "retort/methods/dense/bckd.h"
#include "retort/nets/quantiser.h"

namespace retort {
namespace {

TensorMap quantised_uniform(const GoldenCase& c) {
  const Quantised q = quantise_uniform(c["v"], c.whole("levels"), c.whole("bucket_size"));
  return {{"quantized", q.values()}, {"alpha", q.scale.alpha()}, {"beta", q.scale.low}};
}

TensorMap quantised_on_points(const GoldenCase& c) {
  const BucketScale scale = bucket_scale(c["v"], c.whole("bucket_size"));
  const Tensor unit = to_unit(c["v"], scale), points = c["quant_points"].detach().clone().requires_grad_(true);
  const Tensor assignment = nearest_points(unit, points), quantised = on_points(assignment, points, scale);
  const Tensor gradient = torch::autograd::grad({quantised}, {points}, {c["grad_output"].to(quantised.scalar_type())})[0];
  return {{"quantized", quantised.detach().view(c["v"].sizes())},
          {"assignment", assignment.view(c["v"].sizes())},
          {"grad_points", gradient},
          {"initial_points_quantile", percentile_points(unit, c.whole("points"))}};
}

TensorMap assigned_bits(const GoldenCase& c) {
  const Tensor norms = c["grad_norms"].to(at::kDouble).contiguous(), initial = c["initial"].contiguous();
  const auto shares = share_out({norms.data_ptr<double>(), norms.data_ptr<double>() + norms.numel()},
                                {initial.data_ptr<int64_t>(), initial.data_ptr<int64_t>() + initial.numel()}, c.flag("input_is_point"));
  return {{"assigned", at::tensor(shares, at::kLong)}};
}

TensorMap bckd_scores(const GoldenCase& c) {
  const Tensor rows = dense::binary_rows(c["logits_student"], c["logits_teacher"], c.number("beta"));
  return {{"loss_per_anchor", rows}, {"loss", dense::classification_loss(rows, c["weight"], c.number("avg_factor"))}};
}

TensorMap bckd_boxes(const GoldenCase& c) {
  const Tensor weights = dense::difference_weights(c["logits_student"], c["logits_teacher"]) * c["label_weights"];
  return {{"anchor_weight", weights},
          {"giou", losses::giou_rows(c["boxes_student"], c["boxes_teacher"], c.number("eps"))},
          {"loss",
           c.number("loss_weight") * dense::localisation_loss(c["boxes_student"], c["boxes_teacher"], weights, c.number("avg_factor"))}};
}

}  // namespace

GoldenTable compress_bindings() {
  return {
      {"quant-distill.uniform", {quantised_uniform}},
      {"quant-distill.nonuniform", {quantised_on_points}},
      {"quant-distill.assign_bits", {assigned_bits}},
      {"bckd.cls_loss", {bckd_scores}},
      {"bckd.loc_loss", {bckd_boxes}},
  };
}

}  // namespace retort

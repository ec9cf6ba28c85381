// Losses on features, and what is done to features before them.
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/features.h"
#include "retort/methods/features/random_teacher.h"
#include "retort/methods/features/unic.h"
#include "retort/nets/orthogonal.h"
#include "retort/train/feature_path.h"
#include "retort/train/running_standardiser.h"

namespace retort {
namespace {

TensorMap vkd_loss(const GoldenCase& c) {
  const Tensor columns = orthogonal_columns(c["raw"], c.word("map") == "cayley" ? OrthogonalMap::cayley : OrthogonalMap::exponential);
  const Tensor projected = c["z_student"].matmul(columns.t()), &teacher = c["z_teacher"];
  const auto loss = [&](const char* normaliser) {
    const auto [ours, theirs] = normalised_pair(projected, teacher, normaliser);
    return losses::smooth_l1(ours, theirs, c.number("smooth_l1_beta"));
  };
  return {{"Q", columns}, {"projected", projected}, {"loss_layernorm", loss("layer-norm")}, {"loss_batchstd", loss("batch-standardise")}};
}

TensorMap random_teacher_head(const GoldenCase& c) {
  const auto logits = [&](const std::string& side) {
    return losses::prototype_logits(losses::unit_rows(at::linear(c["hidden_" + side], c["bot_weight_" + side], c["bot_bias_" + side])),
                                    c["proto_" + side]);
  };
  const Tensor student = logits("student"), teacher = logits("teacher");
  return {{"logits_student", student},
          {"target", at::softmax(teacher / c.number("temp_teacher"), 1)},
          {"loss", features::head_cross_entropy(student, teacher, c.number("temp_student"), c.number("temp_teacher"))}};
}

TensorMap unic_loss(const GoldenCase& given) {
  GoldenCase c = given;
  for (auto& [name, tensor] : c.inputs)
    if (name.rfind("student_", 0) == 0) tensor = tensor.detach().clone().requires_grad_();
  const features::DistanceMix mix{c.number("lam_cos"), c.number("lam_sl1"), c.number("beta_smooth_l1")};
  TensorMap computed;
  std::vector<Tensor> columns;
  for (const auto& teacher : c.params.at("teachers").get<std::vector<std::string>>()) {
    std::vector<Tensor> kinds;
    for (const char* kind : {"_cls", "_patch"})
      if (c.inputs.count("student_" + teacher + kind))
        kinds.push_back(features::distance_rows(c["student_" + teacher + kind], c["teacher_" + teacher + kind], mix));
    columns.push_back(at::stack(kinds).mean(0));
    computed["loss_" + teacher] = columns.back();
  }
  const Tensor all = at::stack(columns, 1), ids = at::arange(all.size(0));
  for (const auto& [name, drop] : std::vector<std::pair<std::string, double>>{{"keep_all", 0}, {"hardest_only", 1}}) {
    const Tensor loss = features::kept_mean(all, features::kept_teachers(all, ids, drop, Seed(0)));
    computed["loss_" + name] = loss;
    for (const auto& [input, tensor] : c.inputs) {
      const std::string gradient = "grad_" + name + "_" + input;
      if (c.outputs.count(gradient)) computed[gradient] = torch::autograd::grad({loss}, {tensor}, {}, /*retain_graph=*/true)[0];
    }
  }
  return computed;
}

TensorMap unic_standard_normalize(const GoldenCase& c) {
  const Tensor &x = c["x"], &mean = c["mean_ema"], &deviation = c["std_ema"];
  RunningStandardiser running(x.size(-1), c.number("eps"));
  State before;
  before.tensors = {{"mean", mean.flatten()}, {"deviation", deviation.flatten()}};
  running.load(before);
  const Tensor normalised = running.normalised(x);
  running.update(x, c.number("ema_momentum"));
  return {{"normalized_by_ema", normalised},
          {"mean_ema_after", running.mean().view_as(mean)},
          {"std_ema_after", running.deviation().view_as(deviation)},
          {"normalized_by_batch", batch_normalised(x, c.number("eps"))}};
}

}  // namespace

GoldenTable feature_bindings() {
  return {
      {"vkd.loss", {vkd_loss, "loss_layernorm"}},
      {"random-teacher.head_ce", {random_teacher_head}},
      {"unic.loss", {unic_loss}},
      {"unic.standard_normalize", {unic_standard_normalize}},
  };
}

}  // namespace retort

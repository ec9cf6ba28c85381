// Which function of the project answers which golden method.
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/contrastive.h"
#include "retort/losses/features.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/projector.h"

namespace retort {
namespace {

// ---- baselines

TensorMap hinton(const GoldenCase& c) {
  return {{"loss", losses::kl(c["logits_student"], c["logits_teacher"], losses::Temperature{c.number("temperature")}.scaled())}};
}

TensorMap dkd(const GoldenCase& c) {
  const auto [target, non_target] = losses::decoupled_kl(c["logits_student"], c["logits_teacher"], c["target"], c.number("temperature"));
  return {{"loss", c.number("alpha") * target + c.number("beta") * non_target}, {"tckd", target}, {"nckd", non_target}};
}

TensorMap fitnet(const GoldenCase& c) {
  const Tensor &student = c["feat_student"], &teacher = c["feat_teacher"];
  const Net regressor = hint_regressor(student.sizes().slice(1).vec(), teacher.sizes().slice(1).vec(), /*relu=*/true, Seed());
  const TensorMap given = {
      {"conv.weight", c["conv_weight"]}, {"conv.bias", c["conv_bias"]}, {"norm.weight", c["bn_weight"]}, {"norm.bias", c["bn_bias"]}};
  Tensors params;
  for (const auto& name : regressor.param_names()) params.push_back(given.at(name));
  const Tensor projected = regressor.forward_with(params, student);
  return {{"projected", projected}, {"loss", losses::mse(projected, teacher)}};
}

TensorMap crd(const GoldenCase& c) {
  const int64_t n = c.whole("n_data");
  const double tau = c.number("temperature"), momentum = c.number("momentum");
  const auto side = [&](const std::string& own, const std::string& other) {
    const Tensor similarities = losses::memory_similarities(c["emb_" + own], c["memory_" + other], c["contrast_index"]);
    const double normaliser = losses::contrastive_normaliser(similarities, tau, n);
    return std::make_pair(normaliser, losses::contrastive_loss(similarities, tau, normaliser, n, c.number("eps")));
  };
  const auto after = [&](const std::string& own) {
    const Tensor &memory = c["memory_" + own], &rows = c["index"];
    return memory.index_copy(0, rows, losses::refreshed_memory(memory.index_select(0, rows), c["emb_" + own], momentum));
  };
  const auto [z_student, student] = side("student", "teacher");
  const auto [z_teacher, teacher] = side("teacher", "student");
  return {{"loss", student + teacher},
          {"Z_student", torch::tensor(z_student)},
          {"Z_teacher", torch::tensor(z_teacher)},
          {"memory_student_after", after("student")},
          {"memory_teacher_after", after("teacher")}};
}

}  // namespace

const std::map<std::string, GoldenBinding>& golden_bindings() {
  static const GoldenTable all = [] {
    GoldenTable table = {
        {"kd.hinton", {hinton}},
        {"kd.dkd", {dkd}},
        {"kd.fitnet", {fitnet}},
        {"kd.crd", {crd}},
    };
    for (GoldenTable group : {logit_bindings(), feature_bindings(), teacher_bindings(), compress_bindings(), search_bindings(),
                              audit_bindings(), blackbox_bindings()})
      table.merge(group);
    return table;
  }();
  return all;
}

}  // namespace retort

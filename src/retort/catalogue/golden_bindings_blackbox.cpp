// Teachers that can only be asked.
#include "retort/base/error.h"
#include "retort/catalogue/golden_bindings.h"
#include "retort/methods/blackbox/bidf_recovery.h"
#include "retort/methods/blackbox/mekd.h"
#include "retort/search/zeroth_order.h"

namespace retort {
namespace {

TensorMap mekd(const GoldenCase& c) {
  const std::string response = c.word("response"), distance = c.word("image_loss");
  if (response != "soft" && response != "hard")
    throw DataError(fmt::format("{}: response: expected soft or hard, found {}", c.path, response));
  if (distance != "l1" && distance != "l2") throw DataError(fmt::format("{}: image_loss: expected l1 or l2, found {}", c.path, distance));
  const Tensor &student = c["student_logits"], &w1 = c["gen_w1"], &w2 = c["gen_w2"];
  const Tensor teacher = response == "hard" ? blackbox::hard_answers(c["teacher_logits"]) : c["teacher_logits"];
  const auto generate = [&](const Tensor& z) { return at::linear(at::linear(z, w1).relu(), w2).tanh(); };
  const auto [image, kl] = blackbox::mekd_loss(student, teacher, generate, c.number("t"), c.number("gen_t"), distance == "l2");
  return {{"loss", c.number("w_f") * image + c.number("w_kl") * kl}, {"loss_image", image}, {"loss_kl", kl}};
}

TensorMap zo_gradient(const GoldenCase& c) {
  const Tensor &x = c["x"], &w = c["teacher_w"], &bias = c["teacher_b"], student = at::linear(x, c["student_w"]);
  if (c["directions"].size(0) != c.whole("q") * x.size(0))
    throw DataError(fmt::format("{}: directions: expected q = {} for each row of x", c.path, c.whole("q")));
  const auto loss = [&](const Tensor& rows) {
    return blackbox::recovery_loss(3 * at::linear(rows, w, bias).tanh(), c["targets"], student, c.number("adv"));
  };
  return {{"grad_estimate", search::zeroth_order_gradient(x, c["directions"], c.number("mu"), loss).gradient}};
}

}  // namespace

GoldenTable blackbox_bindings() {
  return {
      {"mekd.distill", {mekd}},
      {"bidf-mkd.zo-gradient", {zo_gradient}},
  };
}

}  // namespace retort

// A model's own generations, averaged teachers, and the choice among teachers.
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/adversarial.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/self/kernel_generations.h"
#include "retort/methods/teachers/meal_v2.h"
#include "retort/stats/transferability.h"
#include "retort/train/discriminator.h"

namespace retort {
namespace {

TensorMap kernel_self_distillation(const GoldenCase& c) {
  const Kernel kernel{"rbf", c.number("rbf_gamma")};
  const Tensor x = c["x"].to(at::kDouble).unsqueeze(1), y = c["y"].to(at::kDouble).unsqueeze(1),
               judge = c["x_eval"].to(at::kDouble).unsqueeze(1);
  const KernelRidge ridge(gram(kernel, x, x), c.number("lambda"));
  const Tensor k = gram(kernel, judge, x);
  const double weight = c.number("alpha");
  const auto all = self::kernel_generations(ridge, y, c.whole("steps"), [&](int64_t, const Tensor&, const Tensor&) { return weight; });
  Tensors predicted, fitted;
  for (size_t t = 0; t < all.fitted.size(); ++t) {
    predicted.push_back(k.mm(all.coefficients[t]).squeeze(1));
    fitted.push_back(all.fitted[t].squeeze(1));
  }
  return {{"pred_per_step", at::stack(predicted)},
          {"fitted_per_step", at::stack(fitted)},
          {"limit_pred", k.mm(self::limit_coefficients(ridge, y, weight)).squeeze(1)},
          {"shrinkage_per_step", self::shrinkage(ridge.eigenvalues(), ridge.lambda(), all.gt_weights)}};
}

TensorMap meal_losses(const GoldenCase& c) {
  const Tensor& student = c["logits_student"];
  Tensors members;
  for (int64_t m = 0; m < c.whole("teachers"); ++m) members.push_back(c["logits_teachers"][m]);
  const Tensor soft = teachers::mean_probabilities(members), mean = teachers::mean_logits(members);
  Net discriminator = logit_discriminator(student.size(1), c.whole("disc_shrink"), /*last_relu=*/true, Seed());
  discriminator.load({{"fc1.weight", c["w1"]},
                      {"fc1.bias", c["b1"]},
                      {"fc2.weight", c["w2"]},
                      {"fc2.bias", c["b2"]},
                      {"fc3.weight", c["w3"]},
                      {"fc3.bias", c["b3"]}},
                     c.path);
  const Tensor z = student.detach().requires_grad_(true);
  const Tensor soft_ce = losses::soft_cross_entropy(z, soft),
               disc_loss = teachers::discrimination(discriminator, z, mean, /*adversarial=*/false);
  const auto gradient = [&](const Tensor& loss) { return torch::autograd::grad({loss}, {z})[0]; };
  return {{"soft_labels", soft},
          {"mean_teacher_logits", mean},
          {"soft_ce", soft_ce.detach()},
          {"grad_soft_ce", gradient(soft_ce)},
          {"disc_logits", discriminator.forward(at::cat({z, mean})).detach()},
          {"disc_loss", disc_loss.detach()},
          {"grad_disc_loss_student", gradient(disc_loss)}};
}

}  // namespace

GoldenTable teacher_bindings() {
  return {
      {"self-distill.krr", {kernel_self_distillation}},
      {"meal-v2.losses", {meal_losses}},
      {"distill-budget.parc", {[](const GoldenCase& c) {
         return TensorMap{{"parc_x100", torch::tensor(parc(c["features"], c["labels"], /*exact_ties=*/false))}};
       }}},
  };
}

}  // namespace retort

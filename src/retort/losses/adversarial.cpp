#include "retort/losses/adversarial.h"

#include "retort/losses/checks.h"

namespace retort::losses {
namespace {

struct Reversal : torch::autograd::Function<Reversal> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, double scale) {
    context->saved_data["scale"] = scale;
    return x.view_as(x);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context, torch::autograd::tensor_list gradients) {
    return {gradients[0] * -context->saved_data["scale"].toDouble(), Tensor()};
  }
};

}  // namespace

Tensor gradient_reversed(const Tensor& x, double scale) { return Reversal::apply(x, scale); }

Tensor discriminator_loss(const Tensor& of_student, const Tensor& of_teacher) {
  check_pair("discriminator_loss", of_student, of_teacher);
  const Tensor logits = at::cat({of_student, of_teacher});
  const Tensor right = at::cat({at::zeros_like(of_student), at::ones_like(of_teacher)});  // 1 in the column of the row's own side
  const Tensor targets = at::stack({1 - right.select(1, 0), right.select(1, 1)}, 1);
  return at::binary_cross_entropy_with_logits(logits, targets);
}

}  // namespace retort::losses

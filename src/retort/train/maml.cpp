#include "retort/train/maml.h"

namespace retort {

Tensors adapted(const Tensors& params, const WeightLoss& loss, int64_t steps, double rate, bool second_order) {
  Tensors now = params;
  for (int64_t step = 0; step < steps; ++step) {
    const Tensors slopes = torch::autograd::grad({loss(now)}, now, {}, /*retain_graph=*/second_order, /*create_graph=*/second_order,
                                                 /*allow_unused=*/true);
    for (size_t i = 0; i < now.size(); ++i) {
      if (slopes[i].defined()) now[i] = now[i] - rate * slopes[i];
    }
  }
  return now;
}

Tensors adapted_for_use(const Tensors& params, const WeightLoss& loss, int64_t steps, double rate) {
  Tensors now;
  for (const Tensor& param : params) now.push_back(param.detach().clone().requires_grad_(true));
  for (int64_t step = 0; step < steps; ++step) {
    const Tensors slopes = torch::autograd::grad({loss(now)}, now, {}, /*retain_graph=*/false, /*create_graph=*/false,
                                                 /*allow_unused=*/true);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < now.size(); ++i) {
      if (slopes[i].defined()) now[i].sub_(slopes[i], rate);
    }
  }
  for (Tensor& param : now) param = param.detach();
  return now;
}

}  // namespace retort

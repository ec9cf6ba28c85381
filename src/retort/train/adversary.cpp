#include "retort/train/adversary.h"

namespace retort {

Adversary::Adversary(Net discriminator, const OptimiserKnobs& settings) : net_(std::move(discriminator)) {
  net_.require_grad(true);
  net_.train(true);
  optimiser_.add({"discriminator", net_.params(), settings, 1});
}

Tensor Adversary::learn(const Tensor& real, const Tensor& made, double lr_factor) {
  const Tensor of_real = net_.forward(real.detach()), of_made = net_.forward(made.detach());
  const Tensor loss = at::softplus(-of_real).mean() + at::softplus(of_made).mean();
  loss.backward();
  optimiser_.step(lr_factor);
  optimiser_.zero_grad();
  return loss.detach();
}

Tensor Adversary::verdict(const Tensor& made) const {
  Tensors values;
  for (const Tensor& param : net_.params()) values.push_back(param.detach());
  return net_.forward_with(values, made).flatten();
}

State Adversary::state() const {
  State all;
  all.put("net", State{net_.named_tensors(), {}});
  all.put("optimiser", optimiser_.state());
  return all;
}

void Adversary::load(const State& state) {
  net_.load(state.take("net").tensors, "the checkpoint");
  optimiser_.load(state.take("optimiser"));
}

Tensor generator_loss(const Tensor& verdict) { return at::softplus(-verdict).mean(); }

}  // namespace retort

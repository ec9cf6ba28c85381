#include "retort/train/gradient_noise.h"

namespace retort {

void GradientNoise::add(const Tensors& gradients) {
  Tensors flat;
  for (const Tensor& gradient : gradients) flat.push_back(gradient.detach().reshape({-1}).to(at::kDouble));
  const Tensor all = at::cat(flat);
  if (count_++ == 0) {
    mean_ = at::zeros_like(all);
    spread_ = at::zeros_like(all);
  }
  const Tensor off = all - mean_;
  mean_ += off / static_cast<double>(count_);
  spread_ += off * (all - mean_);
}

double GradientNoise::value() const {
  if (count_ < 2) return 0;
  return spread_.sum().item<double>() / static_cast<double>(count_ - 1) / mean_.square().sum().item<double>();
}

}  // namespace retort

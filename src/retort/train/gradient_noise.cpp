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

double GradientNoise::variance() const { return count_ < 2 ? 0 : spread_.sum().item<double>() / static_cast<double>(count_ - 1); }
double GradientNoise::mean_square() const { return count_ == 0 ? 0 : mean_.square().sum().item<double>(); }

}  // namespace retort

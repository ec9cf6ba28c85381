// 26 Self-distillation by generations: every net learns from the labels and from the net before it.  arXiv 2102.13088
#pragma once

#include "retort/methods/self/gt_weight.h"
#include "retort/train/method.h"

namespace retort::self {

struct SelfDistillKnobs {
  std::string model = "network", keep_generation = "last", reg_form = "squared", kernel = "rbf";
  int64_t generations = 5, points = 25, draws = 200;
  double reg = 1e-4, lambda = 0.2, gamma = 0, noise = 0.5;
  GtWeightKnobs weight;
  void describe(Knobs& knobs);
};

// gt_weight * MSE(softmax(z), truth) + (1 - gt_weight) * MSE(softmax(z), softmax(z_teacher)); squares are summed over classes, means taken over the
// batch. z, teacher logits, truth (distributions; rows of 0 where unlabelled): [batch, classes]. The teacher may be undefined where gt_weight is 1.
Loss generation_loss(const Tensor& logits, const Tensor& truth, const Tensor& teacher, double gt_weight);
// sum over parameters of |w|^2 (squared, the theory's) or of |w| (plain: the Euclidean norms that the paper's code adds up).
Tensor weight_penalty(const Tensors& params, bool squared);

// The runs behind knobs.model.
void run_kernel_on_data(Run& run, const SelfDistillKnobs& knobs);  // kernel: exact generations on the recipe's data
void run_noisy_sine(Run& run, const SelfDistillKnobs& knobs);      // sine: the paper's regression of a noisy sine, exact, without data

Method self_distill();

}  // namespace retort::self

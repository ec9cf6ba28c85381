// 4 MEKD: graft one generator behind two classifiers, and compare the images that it makes of their answers.  arXiv 2205.10490
//
// A classifier that can only be asked (soft or hard answers) teaches a small one without seeing a single private image: a generator learns to make
// images like the local ones, only those are sent, and the student learns to answer so that the frozen generator would make the same image of it.
#pragma once

#include "retort/train/method.h"

namespace retort::blackbox {

// Step 1. How sure the teacher is of each answer: max_c softmax(logits). [b, classes] -> [b].
Tensor response_strength(const Tensor& logits);
// L_IM = -mean_i r_i log(D(G(z_i)) + 1e-5). verdict: logits of D, [b]; strength r: [b], a constant. Throws ConfigError for other shapes (a [b, 1] beside a [b]
// would silently become [b, b]).
Tensor strength_loss(const Tensor& verdict, const Tensor& strength);

// Step 3. Answers as logits. Probabilities: log max(p, 1e-6) less its mean over the classes. Hard: the one-hot row of the largest. [b, classes] each.
Tensor centred_log_probabilities(const Tensor& probabilities);
Tensor hard_answers(const Tensor& logits);

struct MekdLoss {
  Tensor image, kl;  // scalars, unweighted
};
using MakeImages = std::function<Tensor(const Tensor& codes)>;
// Mean over images and pixels of |a - b|, or of its square.
Tensor image_distance(const Tensor& ours, const Tensor& theirs, bool squared);
// image: the distance of G(s/tau_g) and G(t/tau_g); kl: tau * KL(softmax(t/tau) || softmax(s/tau)), tau and not
// tau^2. The gradient reaches `student` through G. [b, classes] each.
MekdLoss mekd_loss(const Tensor& student, const Tensor& teacher, const MakeImages& generate, double tau, double tau_g, bool squared);

Method mekd();

}  // namespace retort::blackbox

// Soft-target losses on logits. z: logits [batch, classes]; every loss is a mean over the batch of sums over classes unless it says otherwise.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// A softmax temperature; `scaled()` multiplies the loss by T^2, which keeps its gradient's size when T changes.
struct Temperature {
  double value = 1;
  bool squared_factor = false;
  Temperature scaled() const { return {value, true}; }
};

// Mean of -log softmax(z)_y. labels: [batch] int64; rows with label -1 do not count (0 when none count).
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);
// Label smoothing: target (1-eps)*onehot + eps/C.
Tensor smoothed_cross_entropy(const Tensor& logits, const Tensor& labels, double eps);
// Mean of - sum_c q_c log softmax(z/T)_c; q: [batch, classes] probabilities.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets, double temperature = 1);

// Mean of sum_c (softmax(z)_c - q_c)^2: the Brier score of soft targets q [batch, classes]. Rows whose targets are all 0 (unlabelled) do not count.
Tensor probability_mse(const Tensor& logits, const Tensor& targets);

// (1 - share) * onehot(labels) + share * probabilities: [batch, classes], no gradient. Rows with label -1 take the probabilities alone.
Tensor mixed_target(const Tensor& labels, const Tensor& probabilities, double share);
// The same for labels that are distributions already (mixed or smoothed ones); rows whose labels are all 0 take the probabilities alone.
Tensor mixed_distribution(const Tensor& labels, const Tensor& probabilities, double share);
// (1-eps)*onehot + eps/C: [batch, classes]; rows with label -1 are all 0.
Tensor smoothed_labels(const Tensor& labels, int64_t classes, double eps = 0);

// KL(teacher || student) of the tempered softmaxes; the teacher carries no gradient. Hinton et al. 2015 with T.scaled().
Tensor kl(const Tensor& student, const Tensor& teacher, Temperature temperature = {});
// KL(student || teacher).
Tensor reverse_kl(const Tensor& student, const Tensor& teacher, Temperature temperature = {});
// Per-sample values of the same, [batch].
Tensor kl_rows(const Tensor& student, const Tensor& teacher, Temperature temperature = {});
Tensor reverse_kl_rows(const Tensor& student, const Tensor& teacher, Temperature temperature = {});
// Mean of kl_rows over the tokens that count: logits [batch, tokens, vocabulary] or [tokens, vocabulary], mask of the dimensions before the last, true
// where a token counts; 0 when none does.
Tensor token_kl(const Tensor& student, const Tensor& teacher, const Tensor& mask, Temperature temperature = {});
// Entropy of softmax(z/T) per row, [batch].
Tensor entropy_rows(const Tensor& logits, double temperature = 1);

// w_ce * CE + w_kd * T^2 * KL in one pass over the rows, forward and gradient at once (same values as the two terms to 1e-6).
// Returns {ce, kd}: each usable as a term of its own.
std::pair<Tensor, Tensor> cross_entropy_and_kl(const Tensor& student, const Tensor& teacher, const Tensor& labels, double temperature);

// Decoupled KD (CVPR 2022), both parts times T^2.
struct Decoupled {
  Tensor target, non_target;  // TCKD, NCKD; scalars
};
Decoupled decoupled_kl(const Tensor& student, const Tensor& teacher, const Tensor& labels, double temperature);

}  // namespace retort::losses

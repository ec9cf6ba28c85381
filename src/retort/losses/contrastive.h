// Contrastive representation distillation (Tian et al. 2020, eq. 17-19) against a memory of embeddings, as pure functions.
//
// Of one side: e [b, d] are the batch's embeddings, M [n, d] the memory of the OTHER side, rows [b, 1+k] int64 name for each sample the
// positive (column 0) and its k negatives in M. Student and teacher side are added.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// e_b . M[rows_bj]: [b, 1+k]. The memory carries no gradient.
Tensor memory_similarities(const Tensor& embeddings, const Tensor& memory, const Tensor& rows);
// The constant Z that makes scores average 1/n: mean(exp(similarity / tau)) * n. Taken from the first batch and then kept.
double contrastive_normaliser(const Tensor& similarities, double tau, int64_t n);
// With v = exp(similarity / tau) / Z and c = k/n:
//   -(1/b) sum_b [ log(v_pos / (v_pos + c + eps)) + sum_neg log(c / (v_neg + c + eps)) ]
Tensor contrastive_loss(const Tensor& similarities, double tau, double normaliser, int64_t n, double eps = 1e-7);
// Memory rows after a visit: normalise(momentum * old + (1 - momentum) * new). All [b, d].
Tensor refreshed_memory(const Tensor& old_rows, const Tensor& embeddings, double momentum);

}  // namespace retort::losses

// Losses on features: bring both sides to one form, normalise, measure. Distances are means over all elements unless they end in _rows.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// Maps [b,c,h,w] and tokens [b,t,c] as rows of channels: [b*h*w, c] or [b*t, c]; [b,c] stays.
Tensor channel_rows(const Tensor& features);
// Mean over pixels or tokens: [b,c,h,w] or [b,t,c] -> [b,c]; [b,c] stays.
Tensor pooled(const Tensor& features);

// Distances between tensors of one shape (ConfigError otherwise); the teacher's side carries no gradient.
Tensor mse(const Tensor& student, const Tensor& teacher);
Tensor smooth_l1(const Tensor& student, const Tensor& teacher, double beta = 1);
Tensor relative_mse(const Tensor& student, const Tensor& teacher);     // mse / mean(teacher^2): of one size whatever the layer's scale
Tensor cosine_rows(const Tensor& student, const Tensor& teacher);      // [n, d] -> cosine similarity per row, [n]
Tensor cosine_distance(const Tensor& student, const Tensor& teacher);  // mean of 1 - cosine

// Normalisers of [n, d]; gradients flow through.
Tensor layer_normalised(const Tensor& features, double eps = 1e-5);  // each row to mean 0, biased variance 1; no affine part
// Each column (channel) to mean 0, variance 1 over the rows: (f - mean) / sqrt(variance + eps). Throws ConfigError for fewer than 2 rows.
Tensor batch_standardised(const Tensor& features, bool unbiased = true, double eps = 0);
Tensor unit_rows(const Tensor& features);  // each row to length 1
// Inner products with prototypes [k, d], whose rows are brought to length 1 first where `unit`: [n, k].
Tensor prototype_logits(const Tensor& features, const Tensor& prototypes, bool unit = true);
// (f - mean) Sigma^(-1/2) with the covariance of the rows (n-1) plus eps on its diagonal, by eigen-decomposition in double; carries no
// gradient. `shrinkage` in [0,1] pulls Sigma towards its mean variance; without it n <= d is refused (ConfigError): Sigma is then singular.
Tensor whitened(const Tensor& features, double eps = 1e-4, double shrinkage = 0);

}  // namespace retort::losses

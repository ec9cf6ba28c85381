// What frozen features are worth: a linear readout and nearest neighbours. Rows with label -1 do not count.
#pragma once

#include "retort/base/tensor.h"

namespace retort {

// scores = features weight^T + bias: [n, d] -> [n, classes].
struct LinearReadout {
  Tensor weight, bias;  // [classes, d], [classes]
  Tensor scores(const Tensor& features) const { return at::linear(features, weight, bias); }
};

// Softmax regression: minimises mean cross-entropy + penalty/2 |W|^2 on standardised features (L-BFGS, in double); the readout returned reads the
// features as they were. features [n, d], labels [n] in [-1, classes). Throws ConfigError (shapes, no labelled row), DataError (labels).
LinearReadout logistic_regression(const Tensor& features, const Tensor& labels, int64_t classes, double penalty, int rounds = 200);
// The one of `penalties` with the best accuracy on held-out rows (the earlier of equal ones), fitted on the first rows.
LinearReadout best_logistic_regression(const Tensor& features, const Tensor& labels, const Tensor& held_out, const Tensor& held_out_labels,
                                       int64_t classes, const std::vector<double>& penalties = {1e-4, 1e-3, 1e-2, 1e-1});

// Votes of the k nearest rows by cosine similarity, each weighted exp(similarity / temperature) (Wu et al. 2018): [m, classes], rows sum to 1.
Tensor knn_votes(const Tensor& features, const Tensor& labels, const Tensor& queries, int64_t classes, int64_t k = 20,
                 double temperature = 0.07);

// Share of labelled rows whose highest score is at their label.
double share_right(const Tensor& scores, const Tensor& labels);

}  // namespace retort

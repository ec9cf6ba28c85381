// How much a model of another task would help with one's own, from its answers to a small labelled probe set and without training. Rows are samples;
// labels [n] are one's own task's. All throw ConfigError for lists of other lengths, fewer than 4 rows or fewer than 2 classes among the labels.
// Only values from one probe set can be compared.
#pragma once

#include <vector>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

// PARC (Bolya et al. 2021): 100 * Spearman correlation of two lists of pairwise distances, 1 - Pearson correlation of the rows of `features` [n, d] with
// standardised columns, and the same of one-hot labels; equal distances share their rank. Constant columns do not count. 100 is best. `exact_ties` false: the labels' correlations are summed in floating point
// as the published code sums them, whose rounding orders pairs that are equal (a few points on small probe sets).
double parc(const Tensor& features, const Tensor& labels, bool exact_ties = true);
// H-score (Bao et al. 2019): tr(cov(f)^+ cov(E[f | y])), between 0 and classes - 1. `shrinkage` in [0, 1] pulls cov(f) towards its mean variance, which
// small probe sets need.
double h_score(const Tensor& features, const Tensor& labels, double shrinkage = 0);
// LEEP (Nguyen et al. 2020): mean log-likelihood of the labels under sum_z P(y | z) p(z | x), where z are the model's own classes. probabilities [n, C].
double leep(const Tensor& probabilities, const Tensor& labels);
// NCE (Tran et al. 2019): minus the conditional entropy of the labels given the model's decisions [n] int64, in nats.
double negative_conditional_entropy(const Tensor& decisions, const Tensor& labels);
// Accuracy in [0, 1] by cross-validation of a linear classifier, and of the k nearest neighbours by cosine.
double linear_probe_accuracy(const Tensor& features, const Tensor& labels, Seed seed, int64_t folds = 5);
double knn_accuracy(const Tensor& features, const Tensor& labels, Seed seed, int64_t folds = 5, int64_t k = 5);

// max(0, e_s)^power / sum of the same: 0 weighs all alike, and the larger the power the nearer to the best alone. Where no similarity is above 0, all
// alike. Throws ConfigError: none, or power < 0.
std::vector<double> similarity_weights(const std::vector<double>& similarities, double power);

}  // namespace retort

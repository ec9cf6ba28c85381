// How well one list of numbers orders another. Lists of different lengths, or too short, are a ConfigError.
#pragma once

#include <vector>

#include "retort/base/tensor.h"

namespace retort {

// Ranks 1 … n in ascending order; equal values share the mean of their ranks.
std::vector<double> average_ranks(const std::vector<double>& values);
// Correlations in [-1, 1]; 0 where one side is constant.
double pearson(const std::vector<double>& x, const std::vector<double>& y);
double spearman(const std::vector<double>& x, const std::vector<double>& y);     // Pearson of the average ranks
double kendall_tau(const std::vector<double>& x, const std::vector<double>& y);  // tau-b, which corrects for ties; O(n^2)
// Area under the ROC curve: the probability that a positive scores above a negative, ties counting half. DataError without both kinds.
double roc_auc(const std::vector<double>& scores, const std::vector<bool>& positive);

}  // namespace retort

// What a classifier is worth: accuracy, likelihood, calibration, ranking of confidence, agreement. Fractions are in [0, 1].
// Rows with label -1 do not count. ConfigError for shapes that do not fit, DataError for labels outside [0, classes).
#pragma once

#include <vector>

#include "retort/base/tensor.h"

namespace retort {

struct Scores {
  double accuracy = 0, nll = 0, ece = 0, aurc = 0, eaurc = 0;
  double agreement = -1;  // share of rows where the other model decides alike; -1 without one
};
// logits [n, classes], labels [n]. `other`: logits of the teacher, may be undefined. NLL in nats; ECE as below.
Scores score_classifier(const Tensor& logits, const Tensor& labels, const Tensor& other = {}, int bins = 15);

// Rows by their confidence (the highest probability) in equal-width bins (low, high]; empty bins are all zero.
struct ReliabilityBin {
  double confidence = 0, accuracy = 0;
  int64_t count = 0;
};
std::vector<ReliabilityBin> reliability(const Tensor& logits, const Tensor& labels, int bins = 15);
// sum over bins of count/n * |accuracy - confidence| (Guo et al. 2017). probabilities: [n, classes].
double expected_calibration_error(const Tensor& probabilities, const Tensor& labels, int bins = 15);

// Area under the risk-coverage curve: the error rate among the k most confident rows, averaged over k = 1 … n; and its excess over the best
// possible ordering, 1/n sum_{i=1..E} i/(n-E+i) for E errors (Geifman et al. 2019). Rows of equal confidence count as if in random order.
struct RiskCoverage {
  double area = 0, excess = 0;
};
RiskCoverage risk_coverage(const Tensor& confidence, const Tensor& correct);  // [n] each

Tensor confusion_matrix(const Tensor& logits, const Tensor& labels, int64_t classes);  // [true, predicted] int64
// The temperature in [0.01, 100] that minimises the NLL of logits / T (golden-section on log T).
double best_temperature(const Tensor& logits, const Tensor& labels);

}  // namespace retort

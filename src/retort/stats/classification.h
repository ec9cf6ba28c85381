// What a classifier is worth: accuracy, likelihood, calibration, ranking of confidence, agreement. Fractions are in [0, 1].
#pragma once

#include <vector>

#include "retort/base/tensor.h"

namespace retort {

struct Scores {
  double accuracy = 0, nll = 0, ece = 0, aurc = 0, eaurc = 0;
  double agreement = -1;  // share of rows where the other model decides alike; -1 without one
};
// logits [n, classes], labels [n]. `other`: logits of the teacher, may be undefined. ECE: 15 bins unless given, (low, high].
Scores score_classifier(const Tensor& logits, const Tensor& labels, const Tensor& other = {}, int bins = 15);

struct ReliabilityBin {
  double confidence = 0, accuracy = 0;
  int64_t count = 0;
};
std::vector<ReliabilityBin> reliability(const Tensor& logits, const Tensor& labels, int bins = 15);
double expected_calibration_error(const Tensor& probabilities, const Tensor& labels, int bins = 15);
// Area under the risk-coverage curve and its excess over the best possible ordering.
struct RiskCoverage {
  double area = 0, excess = 0;
};
RiskCoverage risk_coverage(const Tensor& confidence, const Tensor& correct);
Tensor confusion_matrix(const Tensor& logits, const Tensor& labels, int64_t classes);  // [true, predicted] int64
// The temperature that minimises NLL on the given logits (golden-section on log T).
double best_temperature(const Tensor& logits, const Tensor& labels);

}  // namespace retort

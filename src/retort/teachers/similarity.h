// Which of many teachers is nearest to one's own task: measured on a few labelled samples, before any training.
#pragma once

#include "retort/teachers/teacher.h"

namespace retort {

// Up to `most` labelled rows of the data, drawn by the seed: the same for every candidate, since only values from one probe set can be compared.
Dataset probe_set(const Dataset& data, int64_t most, Seed seed);

struct ProbeAnswers {
  Tensor features;       // [n, d]: the teacher's embedding, or its log-probabilities where it shows no more
  Tensor probabilities;  // [n, its own classes]
  Tensor labels;         // [n] of one's own task
};
ProbeAnswers ask_about(Teacher& teacher, const Dataset& probe, at::Device device);  // throws AccessError (less than logits)

struct SimilarityMetric {
  std::string name, about;
};
// parc, linear, knn, hscore, leep, nce. All grow with similarity and are 0 or less where there is none to speak of: parc 100 * PARC; linear and knn
// accuracies in percent; hscore the H-score with shrinkage 0.1; leep and nce 100 * the mean likelihood exp(LEEP), exp(NCE).
const std::vector<SimilarityMetric>& similarity_metrics();
std::vector<std::string> similarity_metric_names();
double similarity(const std::string& metric, const ProbeAnswers& answers,
                  Seed seed);  // throws ConfigError for an unknown metric or a poor probe set

}  // namespace retort

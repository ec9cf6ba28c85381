#include "retort/teachers/similarity.h"

#include "retort/base/error.h"
#include "retort/stats/transferability.h"

namespace retort {

Dataset probe_set(const Dataset& data, int64_t most, Seed seed) {
  const Tensor labelled = at::nonzero(data.labels >= 0).squeeze(1), order = permutation(labelled.size(0), seed);
  return data.take(labelled.index_select(0, order.slice(0, 0, most)));
}

ProbeAnswers ask_about(Teacher& teacher, const Dataset& probe, at::Device device) {
  require_access(teacher, Access::logits, "similarity");
  Wanted wanted;
  wanted.logits = true;
  const std::vector<std::string> taps = teacher.tap_names();
  const bool embeds = teacher.access() >= Access::features && std::find(taps.begin(), taps.end(), "embedding") != taps.end();
  if (embeds) wanted.features = {"embedding"};
  const Tensor inputs = prepared_inputs(probe);
  Tensors logits, features;
  for (int64_t first = 0; first < probe.size(); first += 500) {
    const int64_t last = std::min(first + 500, probe.size());
    const Signals said = teacher.ask(probe.ids.slice(0, first, last), inputs.slice(0, first, last).to(device), /*repeats=*/false, wanted);
    logits.push_back(said.logits.cpu());
    if (embeds) features.push_back(said.features.at("embedding").flatten(1).cpu());
  }
  const Tensor z = at::cat(logits);
  return {embeds ? at::cat(features) : at::log_softmax(z, 1), at::softmax(z, 1), probe.labels};
}

const std::vector<SimilarityMetric>& similarity_metrics() {
  static const std::vector<SimilarityMetric> all = {{"parc", "rank correlation of pairwise distances, features against labels (x100)"},
                                                    {"linear", "accuracy of a linear classifier on the features, cross-validated (%)"},
                                                    {"knn", "accuracy of nearest neighbours by the features, cross-validated (%)"},
                                                    {"hscore", "share of the features' variance that classes explain"},
                                                    {"leep", "likelihood of the labels given the teacher's probabilities (x100)"},
                                                    {"nce", "likelihood of the labels given the teacher's decisions (x100)"}};
  return all;
}

std::vector<std::string> similarity_metric_names() {
  std::vector<std::string> names;
  for (const auto& metric : similarity_metrics()) names.push_back(metric.name);
  return names;
}

double similarity(const std::string& metric, const ProbeAnswers& a, Seed seed) {
  if (metric == "parc") return parc(a.features, a.labels);
  if (metric == "linear") return 100 * linear_probe_accuracy(a.features, a.labels, seed);
  if (metric == "knn") return 100 * knn_accuracy(a.features, a.labels, seed);
  if (metric == "hscore") return h_score(a.features, a.labels, /*shrinkage=*/0.1);
  if (metric == "leep") return 100 * std::exp(leep(a.probabilities, a.labels));
  if (metric == "nce") return 100 * std::exp(negative_conditional_entropy(a.probabilities.argmax(1), a.labels));
  const std::string nearest = nearest_name(metric, similarity_metric_names());
  throw ConfigError(fmt::format("there is no similarity called '{}'", metric),
                    nearest.empty() ? fmt::format("there are {}", fmt::join(similarity_metric_names(), ", "))
                                    : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace retort

#include "retort/stats/transferability.h"

#include "retort/base/error.h"
#include "retort/stats/probes.h"
#include "retort/stats/ranking.h"

namespace retort {
namespace {

// Rows of answers that fit labels of at least two classes; how many classes there are.
int64_t check_probe(const char* operation, const Tensor& answers, const Tensor& labels) {
  if (labels.dim() != 1 || answers.dim() < 1 || answers.size(0) != labels.size(0)) {
    throw ConfigError(fmt::format("{}: expected as many answers as labels, received {} and {}", operation,
                                  answers.dim() > 0 ? answers.size(0) : 0, labels.numel()));
  }
  if (labels.size(0) < 4)
    throw ConfigError(fmt::format("{}: a probe set of {} samples; expected at least 4", operation, labels.size(0)),
                      "label a few more samples");
  if (labels.min().item<int64_t>() < 0) throw ConfigError(fmt::format("{}: an unlabelled sample in the probe set", operation));
  if ((labels == labels[0]).all().item<bool>())
    throw ConfigError(fmt::format("{}: the probe set holds one class; similarity needs at least two", operation),
                      "label samples of another class");
  return labels.max().item<int64_t>() + 1;
}

Tensor membership(const Tensor& labels, int64_t classes) { return at::one_hot(labels.cpu(), classes).to(at::kDouble); }

// 1 - Pearson correlation of every pair of rows: the strict upper triangle as a list. Rows without spread correlate with none. Rounded far above the
// noise of the arithmetic, so that equal distances are equal.
std::vector<double> row_distances(const Tensor& rows) {
  const Tensor centred = rows - rows.mean(1, /*keepdim=*/true), length = centred.norm(2, {1}, /*keepdim=*/true);
  const Tensor unit = at::where(length > 1e-12, centred / length.clamp_min(1e-12), at::zeros({}, rows.options()));
  const Tensor distances = 1 - unit.mm(unit.t()), pairs = at::triu_indices(rows.size(0), rows.size(0), 1);
  const Tensor list = at::round(distances.index({pairs[0], pairs[1]}) * 1e10).contiguous();
  return {list.data_ptr<double>(), list.data_ptr<double>() + list.numel()};
}

// 1 - correlation of one-hot rows: fused sums in the order of the classes, then one division by each deviation.
std::vector<double> rounded_label_distances(const Tensor& labels, int64_t classes) {
  const double share = 1.0 / static_cast<double>(classes), per_freedom = 1.0 / static_cast<double>(classes - 1);
  const auto covariance = [&](int64_t a, int64_t b) {
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum = std::fma((c == a) - share, (c == b) - share, sum);
    return sum * per_freedom;
  };
  const Tensor list = labels.cpu().contiguous();
  const int64_t* label = list.data_ptr<int64_t>();
  std::vector<double> distances;
  for (int64_t i = 0; i < list.size(0); ++i)
    for (int64_t j = i + 1; j < list.size(0); ++j) {
      const double correlation = covariance(label[i], label[j]) / std::sqrt(covariance(label[i], label[i])) /
                                 std::sqrt(covariance(label[j], label[j]));
      distances.push_back(1 - std::clamp(correlation, -1.0, 1.0));
    }
  return distances;
}

template <class Score>
double cross_validated(const Tensor& features, const Tensor& labels, Seed seed, int64_t folds, Score score) {
  const int64_t n = features.size(0), parts = std::min(folds, n);
  const Tensor order = permutation(n, seed), x = features.flatten(1).to(at::kDouble).index_select(0, order),
               y = labels.index_select(0, order);
  double right = 0;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = part * n / parts, last = (part + 1) * n / parts;
    const auto others = [&](const Tensor& t) { return at::cat({t.slice(0, 0, first), t.slice(0, last, n)}); };
    const Tensor scores = score(others(x), others(y), x.slice(0, first, last));
    right += share_right(scores, y.slice(0, first, last)) * static_cast<double>(last - first);
  }
  return right / static_cast<double>(n);
}

}  // namespace

double parc(const Tensor& features, const Tensor& labels, bool exact_ties) {
  const int64_t classes = check_probe("parc", features, labels);
  const Tensor x = features.detach().cpu().flatten(1).to(at::kDouble), deviation = x.std(0, /*unbiased=*/false);
  const Tensor varied = at::nonzero(deviation > 1e-12 * (1 + x.abs().amax(0))).squeeze(1);
  if (varied.size(0) == 0)
    throw DataError("parc: the model says the same of every sample of the probe set", "its features carry nothing about these data");
  const Tensor standardised = ((x - x.mean(0)) / deviation).index_select(1, varied);
  return 100 * spearman(row_distances(standardised),
                        exact_ties ? row_distances(membership(labels, classes)) : rounded_label_distances(labels, classes));
}

double h_score(const Tensor& features, const Tensor& labels, double shrinkage) {
  const int64_t classes = check_probe("h_score", features, labels);
  const Tensor raw = features.detach().cpu().flatten(1).to(at::kDouble), x = raw - raw.mean(0), member = membership(labels, classes);
  const auto n = static_cast<double>(x.size(0));
  const Tensor covariance = x.t().mm(x) / n, mean_variance = covariance.diagonal().mean();
  const Tensor pulled = (1 - shrinkage) * covariance + shrinkage * mean_variance * at::eye(x.size(1), x.options());
  const Tensor of_class = member.t().mm(x) / member.sum(0).clamp_min(1).unsqueeze(1), explained = member.mm(of_class);
  return (1 - shrinkage) *
         at::linalg_pinv(pulled, /*rcond=*/1e-10, /*hermitian=*/true).mm(explained.t().mm(explained) / n).trace().item<double>();
}

double leep(const Tensor& probabilities, const Tensor& labels) {
  const int64_t classes = check_probe("leep", probabilities, labels);
  const Tensor p = probabilities.detach().cpu().to(at::kDouble), joint = membership(labels, classes).t().mm(p);  // [classes, C], times n
  const Tensor given = joint / joint.sum(0).clamp_min(1e-300);                                                   // P(y | z)
  return p.mm(given.t()).gather(1, labels.cpu().unsqueeze(1)).log().mean().item<double>();
}

double negative_conditional_entropy(const Tensor& decisions, const Tensor& labels) {
  check_probe("negative_conditional_entropy", decisions, labels);
  return leep(at::one_hot(decisions.cpu()).to(at::kDouble), labels);  // sure answers: sum_z P(y | z) p(z | x) is P(y | decision)
}

double linear_probe_accuracy(const Tensor& features, const Tensor& labels, Seed seed, int64_t folds) {
  const int64_t classes = check_probe("linear_probe_accuracy", features, labels);
  return cross_validated(features.cpu(), labels.cpu(), seed, folds, [&](const Tensor& x, const Tensor& y, const Tensor& asked) {
    return logistic_regression(x, y, classes, 1e-2).scores(asked.to(at::kFloat));
  });
}

double knn_accuracy(const Tensor& features, const Tensor& labels, Seed seed, int64_t folds, int64_t k) {
  const int64_t classes = check_probe("knn_accuracy", features, labels);
  return cross_validated(features.cpu(), labels.cpu(), seed, folds, [&](const Tensor& x, const Tensor& y, const Tensor& asked) {
    return knn_votes(x.to(at::kFloat), y, asked.to(at::kFloat), classes, std::min(k, x.size(0)));
  });
}

std::vector<double> similarity_weights(const std::vector<double>& similarities, double power) {
  if (similarities.empty()) throw ConfigError("similarity_weights: there are no sources");
  if (!(power >= 0)) throw ConfigError(fmt::format("similarity_weights: power: expected a number of at least 0, found {}", power));
  const double best = *std::max_element(similarities.begin(), similarities.end());
  std::vector<double> weights(similarities.size(), 1);
  if (best > 0 && power > 0) {
    for (size_t s = 0; s < weights.size(); ++s) weights[s] = similarities[s] > 0 ? std::exp(power * std::log(similarities[s] / best)) : 0;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  return weights;
}

}  // namespace retort

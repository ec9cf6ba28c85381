#include "retort/stats/classification.h"

#include "retort/base/error.h"
#include "retort/losses/checks.h"
#include "retort/losses/soft_targets.h"

namespace retort {
namespace {

// The labelled rows, on the CPU, logits in double.
struct Rows {
  Tensor logits, labels, other;
};

Rows labelled_rows(const char* operation, const Tensor& logits, const Tensor& labels, const Tensor& other = {}) {
  const int64_t labelled = losses::check_labels(operation, logits, labels);
  if (labelled == 0) throw DataError(fmt::format("{}: no labelled rows among {}", operation, labels.size(0)));
  if (other.defined()) losses::check_pair(operation, logits, other);
  at::NoGradGuard no_grad;
  const auto held = [&](const Tensor& values) { return values.defined() ? values.detach().cpu().to(at::kDouble) : Tensor(); };
  Rows rows{held(logits), labels.cpu(), held(other)};
  if (labelled < labels.size(0)) {
    const Tensor kept = at::nonzero(rows.labels >= 0).squeeze(1);
    rows = {rows.logits.index_select(0, kept), rows.labels.index_select(0, kept),
            other.defined() ? rows.other.index_select(0, kept) : Tensor()};
  }
  return rows;
}

std::vector<double> doubles(const Tensor& values) {
  const Tensor held = values.detach().cpu().to(at::kDouble).contiguous();
  return {held.data_ptr<double>(), held.data_ptr<double>() + held.numel()};
}

std::vector<ReliabilityBin> binned(const Tensor& probabilities, const Tensor& labels, int bins) {
  if (bins < 1) throw ConfigError(fmt::format("reliability: needs at least 1 bin, received {}", bins));
  const auto [confidence, decision] = probabilities.max(1);
  const auto sure = doubles(confidence), right = doubles(decision == labels);
  std::vector<ReliabilityBin> filled(bins);
  for (size_t i = 0; i < sure.size(); ++i) {
    auto& bin = filled[std::clamp(static_cast<int>(std::ceil(sure[i] * bins)) - 1, 0, bins - 1)];
    bin.confidence += sure[i];
    bin.accuracy += right[i];
    ++bin.count;
  }
  for (auto& bin : filled) {
    if (bin.count > 0) bin.confidence /= bin.count, bin.accuracy /= bin.count;
  }
  return filled;
}

double calibration_error(const std::vector<ReliabilityBin>& bins) {
  double gap = 0;
  int64_t rows = 0;
  for (const auto& bin : bins) gap += bin.count * std::abs(bin.accuracy - bin.confidence), rows += bin.count;
  return gap / rows;
}

}  // namespace

Scores score_classifier(const Tensor& logits, const Tensor& labels, const Tensor& other, int bins) {
  const Rows rows = labelled_rows("score_classifier", logits, labels, other);
  const Tensor probabilities = at::softmax(rows.logits, 1);
  const auto [confidence, decision] = probabilities.max(1);
  const Tensor correct = decision == rows.labels;
  const RiskCoverage risk = risk_coverage(confidence, correct);
  Scores scores;
  scores.accuracy = correct.to(at::kDouble).mean().item<double>();
  scores.nll = losses::cross_entropy(rows.logits, rows.labels).item<double>();
  scores.ece = calibration_error(binned(probabilities, rows.labels, bins));
  scores.aurc = risk.area;
  scores.eaurc = risk.excess;
  if (rows.other.defined()) scores.agreement = (decision == rows.other.argmax(1)).to(at::kDouble).mean().item<double>();
  return scores;
}

std::vector<ReliabilityBin> reliability(const Tensor& logits, const Tensor& labels, int bins) {
  const Rows rows = labelled_rows("reliability", logits, labels);
  return binned(at::softmax(rows.logits, 1), rows.labels, bins);
}

double expected_calibration_error(const Tensor& probabilities, const Tensor& labels, int bins) {
  const Rows rows = labelled_rows("expected_calibration_error", probabilities, labels);
  return calibration_error(binned(rows.logits, rows.labels, bins));
}

RiskCoverage risk_coverage(const Tensor& confidence, const Tensor& correct) {
  const auto sure = doubles(confidence), right = doubles(correct);
  const size_t n = sure.size();
  if (n == 0 || right.size() != n) {
    throw ConfigError(fmt::format("risk_coverage: expected as many confidences as decisions, received {} and {}", n, right.size()));
  }
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sure[a] > sure[b]; });
  double errors = 0, area = 0;
  for (size_t first = 0, last; first < n; first = last) {
    double tied = 0;
    for (last = first; last < n && sure[order[last]] == sure[order[first]]; ++last) tied += 1 - right[order[last]];
    for (size_t k = first; k < last; ++k) area += (errors + tied * (k + 1 - first) / (last - first)) / (k + 1);
    errors += tied;
  }
  double best = 0;
  for (double i = 1; i <= errors; ++i) best += i / (n - errors + i);
  return {area / n, (area - best) / n};
}

Tensor confusion_matrix(const Tensor& logits, const Tensor& labels, int64_t classes) {
  const Rows rows = labelled_rows("confusion_matrix", logits, labels);
  if (rows.logits.size(1) > classes)
    throw ConfigError(fmt::format("confusion_matrix: logits of {} classes for {}", rows.logits.size(1), classes));
  const Tensor cell = rows.labels * classes + rows.logits.argmax(1);
  return at::bincount(cell, {}, classes * classes).view({classes, classes});
}

double best_temperature(const Tensor& logits, const Tensor& labels) {
  const Rows rows = labelled_rows("best_temperature", logits, labels);
  const auto nll = [&](double log_t) { return losses::cross_entropy(rows.logits / std::exp(log_t), rows.labels).item<double>(); };
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.01), high = std::log(100.0);
  double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
  double at_left = nll(left), at_right = nll(right);
  while (high - low > 1e-6) {
    if (at_left <= at_right) {
      high = right, right = left, at_right = at_left;
      at_left = nll(left = high - kGolden * (high - low));
    } else {
      low = left, left = right, at_left = at_right;
      at_right = nll(right = low + kGolden * (high - low));
    }
  }
  return std::exp((low + high) / 2);
}

}  // namespace retort

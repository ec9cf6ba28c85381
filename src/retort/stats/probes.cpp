#include "retort/stats/probes.h"

#include <deque>

#include "retort/base/error.h"
#include "retort/losses/checks.h"

namespace retort {
namespace {

struct Labelled {
  Tensor features, labels;  // double, int64
};

Labelled labelled_rows(const char* what, const Tensor& features, const Tensor& labels, int64_t classes) {
  if (features.dim() != 2 || labels.dim() != 1 || features.size(0) != labels.size(0)) {
    throw ConfigError(fmt::format("{}: expected features [n, d] and a label for each, received {} and {}", what,
                                  losses::shape_text(features), losses::shape_text(labels)));
  }
  const Tensor rows = at::nonzero(labels >= 0).squeeze(1), kept = labels.index_select(0, rows);
  if (kept.numel() == 0)
    throw ConfigError(fmt::format("{}: none of {} rows has a label", what, labels.numel()),
                      "a probe reads labelled rows; leave some labels in the data");
  if (kept.max().item<int64_t>() >= classes)
    throw DataError(fmt::format("{}: label {} is outside [0, {})", what, kept.max().item<int64_t>(), classes));
  return {features.detach().cpu().index_select(0, rows).to(at::kDouble), kept.cpu()};
}

// Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) under the Armijo condition. `f` returns the value at x and writes the gradient.
Tensor minimise(const std::function<double(const Tensor& x, Tensor& gradient)>& f, Tensor x, int rounds) {
  constexpr size_t kMemory = 10;
  struct Pair {
    Tensor step, change;
    double curvature;
  };
  const auto dot = [](const Tensor& a, const Tensor& b) { return a.dot(b).item<double>(); };
  std::deque<Pair> memory;
  Tensor gradient = at::empty_like(x);
  double value = f(x, gradient);
  for (int round = 0; round < rounds && gradient.abs().max().item<double>() > 1e-6; ++round) {
    Tensor direction = -gradient;
    std::vector<double> alphas(memory.size());
    for (size_t i = memory.size(); i-- > 0;) {
      alphas[i] = dot(memory[i].step, direction) / memory[i].curvature;
      direction = direction - alphas[i] * memory[i].change;
    }
    if (!memory.empty()) direction = direction * (memory.back().curvature / dot(memory.back().change, memory.back().change));
    for (size_t i = 0; i < memory.size(); ++i)
      direction = direction + (alphas[i] - dot(memory[i].change, direction) / memory[i].curvature) * memory[i].step;
    const double slope = dot(gradient, direction);
    double length = memory.empty() ? std::min(1.0, 1 / gradient.abs().sum().item<double>()) : 1;
    Tensor next, next_gradient = at::empty_like(x);
    double next_value = value;
    for (int tries = 0; tries < 30; ++tries, length /= 2) {
      next = x + length * direction;
      next_value = f(next, next_gradient);
      if (next_value <= value + 1e-4 * length * slope) break;
    }
    if (!(next_value < value)) break;
    const Tensor step = next - x, change = next_gradient - gradient;
    const double curvature = dot(step, change);
    if (curvature > 1e-12) memory.push_back({step, change, curvature});
    if (memory.size() > kMemory) memory.pop_front();
    x = next;
    gradient = next_gradient;
    value = next_value;
  }
  return x;
}

}  // namespace

LinearReadout logistic_regression(const Tensor& features, const Tensor& labels, int64_t classes, double penalty, int rounds) {
  const Labelled rows = labelled_rows("logistic_regression", features, labels, classes);
  const auto [variance, mean] = at::var_mean(rows.features, at::IntArrayRef{0}, /*unbiased=*/false);
  const Tensor deviation = at::where(variance > 1e-16, variance.sqrt(), at::ones_like(variance)), x = (rows.features - mean) / deviation;
  const int64_t n = x.size(0), d = x.size(1);
  const Tensor truth = at::one_hot(rows.labels, classes).to(at::kDouble);
  const auto value_at = [&](const Tensor& flat, Tensor& gradient) {
    const Tensor w = flat.narrow(0, 0, classes * d).view({classes, d}), b = flat.narrow(0, classes * d, classes);
    const Tensor log_p = at::log_softmax(at::linear(x, w, b), 1), error = (log_p.exp() - truth) / static_cast<double>(n);
    gradient.narrow(0, 0, classes * d).view({classes, d}).copy_(error.t().mm(x) + penalty * w);
    gradient.narrow(0, classes * d, classes).copy_(error.sum(0));
    return (-(truth * log_p).sum() / static_cast<double>(n) + penalty / 2 * w.square().sum()).item<double>();
  };
  const Tensor best = minimise(value_at, at::zeros({classes * (d + 1)}, at::kDouble), rounds);
  const Tensor w = best.narrow(0, 0, classes * d).view({classes, d}) / deviation, b = best.narrow(0, classes * d, classes) - w.mv(mean);
  return {w.to(at::kFloat), b.to(at::kFloat)};
}

LinearReadout best_logistic_regression(const Tensor& features, const Tensor& labels, const Tensor& held_out, const Tensor& held_out_labels,
                                       int64_t classes, const std::vector<double>& penalties) {
  LinearReadout best;
  double best_share = -1;
  for (const double penalty : penalties) {
    const LinearReadout readout = logistic_regression(features, labels, classes, penalty);
    const double share = share_right(readout.scores(held_out), held_out_labels);
    if (share > best_share) best = readout, best_share = share;
  }
  return best;
}

Tensor knn_votes(const Tensor& features, const Tensor& labels, const Tensor& queries, int64_t classes, int64_t k, double temperature) {
  if (k < 1 || !(temperature > 0))
    throw ConfigError(fmt::format("knn_votes: {} neighbours at temperature {}", k, temperature), "both must be above 0");
  const Labelled rows = labelled_rows("knn_votes", features, labels, classes);
  if (queries.dim() != 2 || queries.size(1) != features.size(1)) {
    throw ConfigError(fmt::format("knn_votes: queries {} among rows {}", losses::shape_text(queries), losses::shape_text(features)));
  }
  const auto unit = [](const Tensor& x) { return (x / at::norm(x, 2, {1}, /*keepdim=*/true).clamp_min(1e-12)).to(at::kFloat); };
  const Tensor bank = unit(rows.features), truth = at::one_hot(rows.labels, classes).to(at::kFloat);
  std::vector<Tensor> parts;
  constexpr int64_t kAtOnce = 500;
  for (int64_t first = 0; first < queries.size(0); first += kAtOnce) {
    const Tensor some = unit(queries.detach().cpu().slice(0, first, std::min(first + kAtOnce, queries.size(0))));
    const auto [nearness, neighbours] = some.mm(bank.t()).topk(std::min(k, bank.size(0)), 1);
    const Tensor weights = at::softmax(nearness / temperature, 1);
    parts.push_back((truth.index_select(0, neighbours.flatten()).view({some.size(0), -1, classes}) * weights.unsqueeze(2)).sum(1));
  }
  return at::cat(parts);
}

double share_right(const Tensor& scores, const Tensor& labels) {
  const Tensor counts = labels >= 0;
  const int64_t labelled = counts.sum().item<int64_t>();
  return labelled == 0 ? 0 : ((scores.argmax(1).cpu() == labels) & counts).sum().item<double>() / static_cast<double>(labelled);
}

}  // namespace retort

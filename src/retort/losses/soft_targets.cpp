#include "retort/losses/soft_targets.h"

#include "retort/losses/checks.h"

namespace retort::losses {
namespace {

// log softmax(z/T), in float32 at least.
Tensor log_probabilities(const Tensor& logits, double temperature) {
  const Tensor tempered = temperature == 1 ? logits : logits / temperature;
  const bool narrow = logits.scalar_type() == at::kHalf || logits.scalar_type() == at::kBFloat16;
  return at::log_softmax(tempered, 1, narrow ? c10::optional<at::ScalarType>(at::kFloat) : c10::nullopt);
}

// A class that is ruled out (log-probability -inf) then counts p * log p = 0, not NaN.
Tensor finite(const Tensor& log_probabilities) { return log_probabilities.clamp_min(-1e30); }

double factor(Temperature temperature) { return temperature.squared_factor ? temperature.value * temperature.value : 1; }

Tensor scaled(const Tensor& rows, Temperature temperature) { return factor(temperature) == 1 ? rows : rows * factor(temperature); }

// sum_c exp(p_c) (p_c - q_c) per row, for log-probabilities p, q.
Tensor divergence_rows(const Tensor& log_p, const Tensor& log_q) { return (log_p.exp() * (finite(log_p) - log_q)).sum(1); }

// The C-1 logits of the classes other than the label.
Tensor without_label(const Tensor& logits, const Tensor& labels) {
  const Tensor column = at::arange(logits.size(1) - 1, labels.options()).unsqueeze(0);
  return logits.gather(1, column + (column >= labels.unsqueeze(1)));
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels) {
  const int64_t labelled = check_labels("cross_entropy", logits, labels);
  return at::nll_loss(log_probabilities(logits, 1), labels, {}, labelled > 0 ? at::Reduction::Mean : at::Reduction::Sum,
                      /*ignore_index=*/-1);
}

Tensor smoothed_cross_entropy(const Tensor& logits, const Tensor& labels, double eps) {
  const int64_t labelled = check_labels("smoothed_cross_entropy", logits, labels);
  const Tensor log_p = log_probabilities(logits, 1);
  const Tensor hard = at::nll_loss(log_p, labels, {}, at::Reduction::Sum, /*ignore_index=*/-1);
  const Tensor uniform = -(log_p.mean(1) * (labels >= 0)).sum();
  return ((1 - eps) * hard + eps * uniform) / std::max<int64_t>(labelled, 1);
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets, double temperature) {
  check_pair("soft_cross_entropy", logits, targets);
  check_temperature("soft_cross_entropy", temperature);
  return -(targets * log_probabilities(logits, temperature)).sum(1).mean();
}

Tensor probability_mse(const Tensor& logits, const Tensor& targets) {
  check_pair("probability_mse", logits, targets);
  const Tensor counts = targets.sum(1) > 0;
  const Tensor rows = (log_probabilities(logits, 1).exp() - targets.detach()).square().sum(1);
  return (rows * counts).sum() / counts.sum().clamp_min(1);
}

Tensor smoothed_labels(const Tensor& labels, int64_t classes, double eps) {
  const Tensor truth = at::one_hot(labels.clamp_min(0), classes).to(at::kFloat);
  const Tensor target = eps == 0 ? truth : (1 - eps) * truth + eps / static_cast<double>(classes);
  return target * (labels >= 0).unsqueeze(1);
}

Tensor mixed_target(const Tensor& labels, const Tensor& probabilities, double share) {
  check_labels("mixed_target", probabilities, labels);
  return mixed_distribution(smoothed_labels(labels, probabilities.size(1)).to(probabilities.scalar_type()), probabilities, share);
}

Tensor mixed_distribution(const Tensor& labels, const Tensor& probabilities, double share) {
  check_pair("mixed_distribution", labels, probabilities);
  const Tensor held = probabilities.detach(), labelled = labels.sum(1, /*keepdim=*/true) > 0;
  return at::where(labelled, (1 - share) * labels + share * held, held);
}

Tensor kl_rows(const Tensor& student, const Tensor& teacher, Temperature temperature) {
  check_pair("kl", student, teacher);
  check_temperature("kl", temperature.value);
  const Tensor log_t = log_probabilities(teacher.detach(), temperature.value);
  return scaled(divergence_rows(log_t, log_probabilities(student, temperature.value)), temperature);
}

Tensor reverse_kl_rows(const Tensor& student, const Tensor& teacher, Temperature temperature) {
  check_pair("reverse_kl", student, teacher);
  check_temperature("reverse_kl", temperature.value);
  const Tensor log_t = log_probabilities(teacher.detach(), temperature.value);
  return scaled(divergence_rows(log_probabilities(student, temperature.value), log_t), temperature);
}

Tensor kl(const Tensor& student, const Tensor& teacher, Temperature temperature) { return kl_rows(student, teacher, temperature).mean(); }

Tensor reverse_kl(const Tensor& student, const Tensor& teacher, Temperature temperature) {
  return reverse_kl_rows(student, teacher, temperature).mean();
}

Tensor token_kl(const Tensor& student, const Tensor& teacher, const Tensor& mask, Temperature temperature) {
  const Tensor counted = mask.flatten().nonzero().squeeze(1);
  const auto rows = [&](const Tensor& logits) { return logits.flatten(0, -2).index_select(0, counted); };
  if (counted.numel() == 0) return (student * 0).sum();
  return kl(rows(student), rows(teacher), temperature);
}

Tensor entropy_rows(const Tensor& logits, double temperature) {
  check_temperature("entropy", temperature);
  const Tensor log_p = log_probabilities(logits, temperature);
  return -(log_p.exp() * finite(log_p)).sum(1);
}

Decoupled decoupled_kl(const Tensor& student, const Tensor& teacher, const Tensor& labels, double temperature) {
  check_pair("decoupled_kl", student, teacher);
  check_temperature("decoupled_kl", temperature);
  if (check_labels("decoupled_kl", student, labels) < labels.size(0)) {
    const Tensor labelled = at::nonzero(labels >= 0).squeeze(1);
    if (labelled.size(0) == 0) return {(student * 0).sum(), (student * 0).sum()};
    return decoupled_kl(student.index_select(0, labelled), teacher.index_select(0, labelled), labels.index_select(0, labelled),
                        temperature);
  }
  // Log-odds of target against rest, as two logits: neither a log of a sum of softmaxes nor a 1 - p that could underflow.
  const auto target_or_rest = [&](const Tensor& tempered, const Tensor& others) {
    return at::cat({tempered.gather(1, labels.unsqueeze(1)), at::logsumexp(others, 1, /*keepdim=*/true)}, 1);
  };
  const Tensor s = student / temperature, t = teacher.detach() / temperature;
  const Tensor s_others = without_label(s, labels), t_others = without_label(t, labels);
  const double square = temperature * temperature;
  return {kl(target_or_rest(s, s_others), target_or_rest(t, t_others)) * square, kl(s_others, t_others) * square};
}

}  // namespace retort::losses

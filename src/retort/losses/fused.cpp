// Cross-entropy and KL in one pass over the rows. The gradients cost no more exponentials than the values do, so both are made at once.
#include <ATen/Parallel.h>

#include <cstring>

#include "retort/losses/checks.h"
#include "retort/losses/soft_targets.h"

namespace retort::losses {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Rows below this many elements in all are not worth waking a second thread for.
constexpr int64_t kElementsPerThread = 32768;

// exp(x) for x <= 0. In float within 2 ulp, and plain arithmetic, which compilers turn into vector code: x = n log 2 + r with |r| <= log(2)/2,
// e^r by its series, 2^n by its bits. Adding 1.5 * 2^23 rounds to whole numbers and leaves n in the low bits.
inline float exponential(float x) {
  constexpr float kRounder = 12582912.f, kLog2High = 0.693359375f, kLog2Low = -2.12194440e-4f;
  const float shifted = std::max(x, -87.f) * 1.44269504f + kRounder, n = shifted - kRounder;
  const float r = std::max(x, -87.f) - n * kLog2High - n * kLog2Low;
  const float series = 1 + r * (1 + r * (0.5f + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720))))));
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.f ? 0.f : series * power;
}
inline double exponential(double x) { return std::exp(x); }

// exp(scale * (x - highest)) into `out`; returns the sum.
template <class Real>
Real exponentials(const Real* x, Real highest, Real scale, int64_t classes, Real* out) {
  for (int64_t c = 0; c < classes; ++c) out[c] = exponential(scale * (x[c] - highest));
  return std::accumulate(out, out + classes, Real(0));
}

// One row: the two losses, and their gradients with respect to the student's logits.
template <class Real>
struct RowKernel {
  int64_t classes;
  Real temperature, ce_share, kd_share;  // what a row weighs in the means

  void operator()(const Real* s, const Real* t, int64_t label, Real* ce_grad, Real* kd_grad, Real* q, Real& ce, Real& kd) const {
    const Real s_max = *std::max_element(s, s + classes), t_max = *std::max_element(t, t + classes), inverse = 1 / temperature;
    const Real sum = exponentials<Real>(s, s_max, 1, classes, ce_grad);
    const Real s_sum = exponentials<Real>(s, s_max, inverse, classes, kd_grad);
    const Real t_sum = exponentials<Real>(t, t_max, inverse, classes, q);
    const Real share = label < 0 ? 0 : ce_share;
    Real cross = 0;
    for (int64_t c = 0; c < classes; ++c) {
      if (q[c] > 0) cross += q[c] * ((t[c] - t_max) - (s[c] - s_max));
      ce_grad[c] *= share / sum;
      kd_grad[c] = temperature * kd_share * (kd_grad[c] / s_sum - q[c] / t_sum);
    }
    kd = temperature * temperature * kd_share * (cross * inverse / t_sum + std::log(s_sum) - std::log(t_sum));
    ce = label < 0 ? 0 : share * (std::log(sum) - (s[label] - s_max));
    if (label >= 0) ce_grad[label] -= share;
  }
};

struct Fused {
  Tensor ce, kd, ce_grad, kd_grad;
};

template <class Real>
Fused fused_rows(const Tensor& student, const Tensor& teacher, const Tensor& labels, double temperature, int64_t labelled) {
  const int64_t rows = student.size(0), classes = student.size(1);
  Fused made{at::empty({}, student.options()), at::empty({}, student.options()), at::empty({rows, classes}, student.options()),
             at::empty({rows, classes}, student.options())};
  const RowKernel<Real> kernel{classes, Real(temperature), Real(1) / std::max<int64_t>(labelled, 1), Real(1) / rows};
  const Real *s = student.data_ptr<Real>(), *t = teacher.data_ptr<Real>();
  Real *ce_grad = made.ce_grad.data_ptr<Real>(), *kd_grad = made.kd_grad.data_ptr<Real>();
  const int64_t* y = labels.data_ptr<int64_t>();
  // Kept per row and summed in row order, so that the number of threads never shows in the result.
  std::vector<std::pair<Real, Real>> values(rows);
  const auto work = [&](int64_t first, int64_t last) {
    std::vector<Real> q(classes);
    for (int64_t row = first; row < last; ++row) {
      const int64_t at = row * classes;
      kernel(s + at, t + at, y[row], ce_grad + at, kd_grad + at, q.data(), values[row].first, values[row].second);
    }
  };
  if (rows * classes < 2 * kElementsPerThread) {
    work(0, rows);
  } else {
    at::parallel_for(0, rows, std::max<int64_t>(1, kElementsPerThread / classes), work);
  }
  double ce = 0, kd = 0;
  for (const auto& [row_ce, row_kd] : values) ce += row_ce, kd += row_kd;
  *made.ce.data_ptr<Real>() = static_cast<Real>(ce);
  *made.kd.data_ptr<Real>() = static_cast<Real>(kd);
  return made;
}

struct CrossEntropyAndKl : torch::autograd::Function<CrossEntropyAndKl> {
  static tensor_list forward(AutogradContext* context, const Tensor& student, const Tensor& teacher, const Tensor& labels,
                             double temperature, int64_t labelled) {
    const Tensor s = student.contiguous(), t = teacher.contiguous(), y = labels.contiguous();
    const Fused made = s.scalar_type() == at::kDouble ? fused_rows<double>(s, t, y, temperature, labelled)
                                                      : fused_rows<float>(s, t, y, temperature, labelled);
    context->save_for_backward({made.ce_grad, made.kd_grad, student, teacher, labels});
    context->saved_data["temperature"] = temperature;
    context->set_materialize_grads(false);
    return {made.ce, made.kd};
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    Tensor ce_grad = saved[0], kd_grad = saved[1];
    if (at::GradMode::is_enabled()) {  // create_graph: the kept gradients are constants, so they are made again with a graph behind them
      const Tensor &student = saved[2], &teacher = saved[3], &labels = saved[4];
      const double temperature = context->saved_data["temperature"].toDouble();
      const Tensor counts = (labels >= 0).to(student.scalar_type()).unsqueeze(1);
      const Tensor label = at::one_hot(labels.clamp_min(0), student.size(1));
      ce_grad = (at::softmax(student, 1) - label) * counts / counts.sum().clamp_min(1);
      kd_grad = (at::softmax(student / temperature, 1) - at::softmax(teacher / temperature, 1)) * (temperature / student.size(0));
    }
    Tensor grad;
    if (grads[0].defined()) grad = ce_grad * grads[0];
    if (grads[1].defined()) grad = grad.defined() ? at::addcmul(grad, kd_grad, grads[1]) : kd_grad * grads[1];
    return {grad, {}, {}, {}, {}};
  }
};

}  // namespace

std::pair<Tensor, Tensor> cross_entropy_and_kl(const Tensor& student, const Tensor& teacher, const Tensor& labels, double temperature) {
  check_pair("cross_entropy_and_kl", student, teacher);
  check_temperature("cross_entropy_and_kl", temperature);
  const bool plain = student.device().is_cpu() && student.scalar_type() == teacher.scalar_type() && student.size(0) > 0 &&
                     (student.scalar_type() == at::kFloat || student.scalar_type() == at::kDouble);
  if (!plain) return {cross_entropy(student, labels), kl(student, teacher, Temperature{temperature}.scaled())};
  const int64_t labelled = check_labels("cross_entropy_and_kl", student, labels);
  const auto both = CrossEntropyAndKl::apply(student, teacher.detach(), labels, temperature, labelled);
  return {both[0], both[1]};
}

}  // namespace retort::losses

#include "retort/train/optimiser.h"

#include <ATen/Parallel.h>

#include "retort/base/error.h"

namespace retort {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread must have to be worth waking

// One pass over the memory of a tensor and its companions; all share strides, so element order does not matter.
template <class Body>
void each_element(int64_t count, const Body& body) {
  if (count <= kGrain) {
    body(0, count);
  } else {
    at::parallel_for(0, count, kGrain, body);
  }
}

bool fused(const Tensor& param, const Tensor& grad) {
  return param.is_cpu() && param.scalar_type() == at::kFloat && grad.scalar_type() == at::kFloat && param.is_non_overlapping_and_dense() &&
         grad.strides() == param.strides();
}

// The update rules over a stretch of elements. The streams never overlap, and saying so lets the compiler use vectors.
struct SgdRule {
  float rate, decay, momentum;
  bool nesterov;
  void operator()(float* __restrict p, const float* __restrict g, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) p[i] -= rate * (g[i] + decay * p[i]);
  }
  void operator()(float* __restrict p, const float* __restrict g, float* __restrict v, int64_t count) const {
    const float now = nesterov ? 1.0f : 0.0f, carried = nesterov ? momentum : 1.0f;
    for (int64_t i = 0; i < count; ++i) {
      const float slope = g[i] + decay * p[i];
      v[i] = momentum * v[i] + slope;
      p[i] -= rate * (now * slope + carried * v[i]);
    }
  }
};

struct AdamRule {
  float beta1, beta2, fresh1, fresh2, epsilon, rate, scale2, shrink, decay;
  void operator()(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const float slope = g[i] + decay * p[i];
      m[i] = beta1 * m[i] + fresh1 * slope;
      v[i] = beta2 * v[i] + fresh2 * slope * slope;
      p[i] = shrink * p[i] - rate * m[i] / (std::sqrt(v[i]) / scale2 + epsilon);
    }
  }
};

void sgd_update(Tensor& param, Tensor grad, Tensor& velocity, const OptimiserKnobs& knobs, double lr) {
  const bool first = !velocity.defined();
  if (first && knobs.momentum > 0) velocity = at::zeros_like(param);
  if (!fused(param, grad)) {
    if (knobs.weight_decay > 0) grad = grad.add(param, knobs.weight_decay);
    if (knobs.momentum > 0) {
      velocity.mul_(knobs.momentum).add_(grad);
      grad = knobs.nesterov ? grad.add(velocity, knobs.momentum) : velocity;
    }
    param.add_(grad, -lr);
    return;
  }
  const SgdRule rule{static_cast<float>(lr), static_cast<float>(knobs.weight_decay), static_cast<float>(knobs.momentum), knobs.nesterov};
  float *p = param.data_ptr<float>(), *v = velocity.defined() ? velocity.data_ptr<float>() : nullptr;
  const float* g = grad.data_ptr<float>();
  each_element(param.numel(), [=](int64_t begin, int64_t end) {
    if (v == nullptr) {
      rule(p + begin, g + begin, end - begin);
    } else {
      rule(p + begin, g + begin, v + begin, end - begin);
    }
  });
}

void adam_update(Tensor& param, Tensor grad, Tensor& first, Tensor& second, int64_t steps, const OptimiserKnobs& knobs, double lr) {
  if (!first.defined()) {
    first = at::zeros_like(param);
    second = at::zeros_like(param);
  }
  const bool decoupled = knobs.optimiser == "adamw";
  const double correction1 = 1 - std::pow(knobs.beta1, static_cast<double>(steps));
  const double correction2 = std::sqrt(1 - std::pow(knobs.beta2, static_cast<double>(steps)));
  if (!fused(param, grad)) {
    if (decoupled) {
      param.mul_(1 - lr * knobs.weight_decay);
    } else if (knobs.weight_decay > 0) {
      grad = grad.add(param, knobs.weight_decay);
    }
    first.mul_(knobs.beta1).add_(grad, 1 - knobs.beta1);
    second.mul_(knobs.beta2).addcmul_(grad, grad, 1 - knobs.beta2);
    param.addcdiv_(first, second.sqrt().div_(correction2).add_(knobs.epsilon), -lr / correction1);
    return;
  }
  AdamRule rule{};
  rule.beta1 = static_cast<float>(knobs.beta1);
  rule.beta2 = static_cast<float>(knobs.beta2);
  rule.fresh1 = static_cast<float>(1 - knobs.beta1);  // subtracted in double: 1 - 0.999f has 3 digits
  rule.fresh2 = static_cast<float>(1 - knobs.beta2);
  rule.epsilon = static_cast<float>(knobs.epsilon);
  rule.rate = static_cast<float>(lr / correction1);
  rule.scale2 = static_cast<float>(correction2);
  rule.shrink = static_cast<float>(decoupled ? 1 - lr * knobs.weight_decay : 1);
  rule.decay = static_cast<float>(decoupled ? 0 : knobs.weight_decay);
  float *p = param.data_ptr<float>(), *m = first.data_ptr<float>(), *v = second.data_ptr<float>();
  const float* g = grad.data_ptr<float>();
  each_element(param.numel(), [=](int64_t begin, int64_t end) { rule(p + begin, g + begin, m + begin, v + begin, end - begin); });
}

}  // namespace

void OptimiserKnobs::describe(Knobs& knobs) {
  knobs("optimiser", optimiser, "update rule", one_of({"sgd", "adam", "adamw"}));
  knobs("lr", lr, "learning rate at the top of the schedule", above(0));
  knobs("momentum", momentum, "momentum of sgd", between(0, 1));
  knobs("nesterov", nesterov, "Nesterov's form of sgd's momentum");
  knobs("weight_decay", weight_decay, "L2 penalty (sgd, adam) or decoupled decay (adamw)", at_least(0));
  knobs("beta1", beta1, "decay of adam's first moment", between(0, 1));
  knobs("beta2", beta2, "decay of adam's second moment", between(0, 1));
  knobs("epsilon", epsilon, "added to adam's denominator", above(0));
}

void ScheduleKnobs::describe(Knobs& knobs) {
  knobs("schedule", schedule, "shape of the learning rate over training", one_of({"constant", "step", "cosine", "linear", "one_cycle"}));
  knobs("warmup", warmup, "share of training in which the rate rises linearly from 0", between(0, 1));
  knobs("milestones", milestones, "step: shares of training after which the rate is multiplied by gamma", between(0, 1));
  knobs("gamma", gamma, "step: factor at each milestone", above(0));
  knobs("final_lr", final_lr, "cosine, linear: last rate as a share of lr", between(0, 1));
}

double ScheduleKnobs::factor(int64_t step, int64_t total) const {
  const double progress = total > 0 ? static_cast<double>(step) / static_cast<double>(total) : 0;
  if (schedule == "one_cycle") {  // up for the first 30 %, cosine both ways, from 1/25 to 1 to 1/10000 (Smith and Topin 2018)
    const double top = 0.3, start = 1.0 / 25, end = 1e-4;
    const bool rising = progress < top;
    const double part = rising ? progress / top : (progress - top) / (1 - top);
    const double from = rising ? start : 1, to = rising ? 1 : end;
    return to + (from - to) * 0.5 * (1 + std::cos(M_PI * part));
  }
  if (progress < warmup) return (static_cast<double>(step) + 1) / std::max(1.0, std::ceil(warmup * static_cast<double>(total)));
  const double part = warmup < 1 ? (progress - warmup) / (1 - warmup) : 1;
  if (schedule == "cosine") return final_lr + (1 - final_lr) * 0.5 * (1 + std::cos(M_PI * part));
  if (schedule == "linear") return final_lr + (1 - final_lr) * (1 - part);
  if (schedule == "step") {
    const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](double at) { return progress >= at; });
    return std::pow(gamma, static_cast<double>(passed));
  }
  return 1;
}

void Optimiser::add(ParamGroup group) {
  moments_.emplace_back(group.params.size());
  groups_.push_back(std::move(group));
}

void Optimiser::zero_grad() {
  for (auto& group : groups_) {
    for (auto& param : group.params) param.mutable_grad() = Tensor();
  }
}

void Optimiser::step(double lr_factor) {
  at::NoGradGuard no_grad;
  for (size_t g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    const double lr = group.settings.lr * group.lr_scale * lr_factor;
    for (size_t i = 0; i < group.params.size(); ++i) {
      Tensor& param = group.params[i];
      const Tensor& grad = param.grad();
      if (!grad.defined()) continue;
      Moments& moments = moments_[g][i];
      ++moments.steps;
      if (group.settings.optimiser == "sgd") {
        sgd_update(param, grad, moments.first, group.settings, lr);
      } else {
        adam_update(param, grad, moments.first, moments.second, moments.steps, group.settings, lr);
      }
      param.unsafeGetTensorImpl()->bump_version();  // the raw write happened behind autograd's back
    }
  }
}

Tensors Optimiser::grads() const {
  Tensors found;
  for (const auto& group : groups_) {
    for (const auto& param : group.params) {
      if (param.grad().defined()) found.push_back(param.grad());
    }
  }
  return found;
}

double Optimiser::clip_grad_norm(double max_norm) {
  double squares = 0;
  Tensors all = grads();
  for (const auto& grad : all) {
    const double norm = grad.norm().item<double>();
    squares += norm * norm;
  }
  const double norm = std::sqrt(squares);
  if (norm > max_norm) {
    for (auto& grad : all) grad.mul_(max_norm / (norm + 1e-6));
  }
  return norm;
}

State Optimiser::state() const {
  State state;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < moments_[g].size(); ++i) {
      const auto& moments = moments_[g][i];
      const std::string key = fmt::format("{}.{}", groups_[g].name, i);
      if (moments.first.defined()) state.tensors[key + ".first"] = moments.first;
      if (moments.second.defined()) state.tensors[key + ".second"] = moments.second;
      if (moments.steps > 0) state.values[key] = moments.steps;
    }
  }
  return state;
}

void Optimiser::load(const State& state) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < moments_[g].size(); ++i) {
      auto& moments = moments_[g][i];
      const std::string key = fmt::format("{}.{}", groups_[g].name, i);
      moments = Moments{};
      moments.steps = state.values.value(key, int64_t{0});
      // The copy keeps the parameter's strides, which the file does not.
      const auto fetch = [&](const std::string& name) {
        const auto found = state.tensors.find(name);
        return found == state.tensors.end() ? Tensor() : at::empty_like(groups_[g].params[i]).copy_(found->second).detach();
      };
      at::NoGradGuard no_grad;
      moments.first = fetch(key + ".first");
      moments.second = fetch(key + ".second");
    }
  }
}

}  // namespace retort

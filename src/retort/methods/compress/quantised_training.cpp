#include "retort/methods/compress/quantised_training.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"

namespace retort::compress {
namespace {

bool named_by(const std::string& name, const std::string& pattern) {
  if (!pattern.empty() && pattern.back() == '*') return name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  return name == pattern || name.compare(0, pattern.size() + 1, pattern + ".") == 0;
}

}  // namespace

QuantisationPlan quantisation_plan(const Net& net, int64_t levels, const std::vector<std::string>& skip, bool vectors, bool float_ends) {
  std::vector<bool> left_out(net.params().size(), false);
  for (const std::string& pattern : skip) {
    bool used = false;
    for (size_t i = 0; i < left_out.size(); ++i) {
      if (!named_by(net.param_names()[i], pattern)) continue;
      used = left_out[i] = true;
    }
    if (!used)
      throw ConfigError(fmt::format("knobs.skip: no parameter of the student is called '{}'", pattern),
                        fmt::format("its parameters are {}", fmt::join(net.param_names(), ", ")));
  }
  std::vector<size_t> matrices;
  for (size_t i = 0; i < net.params().size(); ++i)
    if (net.params()[i].dim() > 1) matrices.push_back(i);
  if (float_ends && !matrices.empty()) left_out[matrices.front()] = left_out[matrices.back()] = true;
  QuantisationPlan plan;
  for (size_t i = 0; i < net.params().size(); ++i) {
    if (left_out[i] || (net.params()[i].dim() < 2 && !vectors)) continue;
    plan.push_back({i, net.param_names()[i], levels});
  }
  if (plan.empty())
    throw ConfigError("knobs: no tensor of the student is left to quantise", "leave fewer of them out with skip and float_ends");
  return plan;
}

Wanted DistillationLoss::wanted() const {
  Wanted wanted;
  wanted.logits = lambda > 0;
  return wanted;
}

Loss DistillationLoss::operator()(const Step& step) const {
  if (lambda == 0) return Loss().add("ce", label_loss(step));
  if (step.batch.targets.defined()) {
    return Loss()
        .add("ce", label_loss(step), 1 - lambda)
        .add("kd", losses::kl(step.logits, step.teacher.logits, losses::Temperature{temperature}.scaled()), lambda);
  }
  const auto [ce, kd] = losses::cross_entropy_and_kl(step.logits, step.teacher.logits, step.labels(), temperature);
  return Loss().add("ce", ce, 1 - lambda).add("kd", kd, lambda);
}

Tensor DistillationLoss::operator()(const Tensor& logits, const Tensor& teacher, const Tensor& labels) const {
  const Tensor ce = losses::cross_entropy(logits, labels);
  return lambda == 0 ? ce : (1 - lambda) * ce + lambda * losses::kl(logits, teacher, losses::Temperature{temperature}.scaled());
}

std::unique_ptr<Objective> float_training(const DistillationLoss& loss) { return objective(loss.wanted(), loss); }

// ---- quantised distillation

QuantisedDistillation::QuantisedDistillation(QuantisationPlan plan, int64_t bucket, bool stochastic, DistillationLoss loss)
    : plan_(std::move(plan)), bucket_(bucket), stochastic_(stochastic), loss_(loss) {}

Tensor QuantisedDistillation::forward(Trainer& trainer, const Batch& batch, Taps* taps) {
  const Net& student = trainer.student();
  Tensors weights = student.params();
  at::Generator dice = trainer.seed().stream("rounding", static_cast<uint64_t>(visits_++)).generator();
  for (const QuantisedTensor& tensor : plan_) {
    Tensor& weight = weights[tensor.param];
    weight = straight_through(weight, quantise_uniform(weight, tensor.levels, bucket_, stochastic_ ? &dice : nullptr).values());
  }
  return student.forward_with(weights, batch.inputs, taps);
}

std::map<std::string, Quantised> QuantisedDistillation::quantised(const Net& net) const {
  std::map<std::string, Quantised> all;
  for (const QuantisedTensor& tensor : plan_) all[tensor.name] = quantise_uniform(net.params()[tensor.param], tensor.levels, bucket_);
  return all;
}

void QuantisedDistillation::deploy(Net& net) const {
  const at::NoGradGuard no_grad;
  for (const QuantisedTensor& tensor : plan_) {
    Tensor weight = net.params()[tensor.param];
    weight.copy_(quantise_uniform(weight, tensor.levels, bucket_).values());
  }
}

State QuantisedDistillation::state() const {
  State state;
  state.values["visits"] = visits_;
  return state;
}

void QuantisedDistillation::load(const State& state) { visits_ = state.values.at("visits"); }

// ---- differentiable quantisation

DifferentiableQuantisation::DifferentiableQuantisation(QuantisationPlan plan, Settings settings, DistillationLoss loss)
    : plan_(std::move(plan)), settings_(settings), loss_(loss) {}

void DifferentiableQuantisation::setup(Trainer& trainer) {
  if (trainer.job().knobs.keep == "best") {
    throw ConfigError(
        trainer.run().recipe.where("train.keep") + ": train.keep: points are kept as they are at the end, not as at the best evaluation",
        "leave it out, or take algorithm = \"qd\"");
  }
  NetBuilder builder(trainer.seed());
  for (const QuantisedTensor& tensor : plan_) builder.param(tensor.name, {tensor.levels}, {});
  points_ = builder.finish({{"arch", "points"}}, {1}, 0);
  scales_.clear();
  units_.clear();
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < plan_.size(); ++i) {
    const Tensor& weight = trainer.student().params()[plan_[i].param];
    scales_.push_back(bucket_scale(weight, settings_.bucket));
    units_.push_back(to_unit(weight, scales_[i]));
    Tensor points = points_.params()[i];
    points.copy_(settings_.percentiles ? percentile_points(units_[i], plan_[i].levels) : even_points(plan_[i].levels));
  }
  OptimiserKnobs plain;
  plain.optimiser = "sgd";
  plain.lr = settings_.lr;
  plain.momentum = 0;
  trainer.learn("points", points_, 1, &plain);
}

Tensor DifferentiableQuantisation::forward(Trainer& trainer, const Batch& batch, Taps* taps) {
  const Net& student = trainer.student();
  Tensors weights;
  for (const Tensor& weight : student.params()) weights.push_back(weight.detach());
  for (size_t i = 0; i < plan_.size(); ++i) {
    const Tensor& points = points_.params()[i];
    weights[plan_[i].param] = on_points(nearest_points(units_[i], points), points, scales_[i]).view_as(weights[plan_[i].param]);
  }
  return student.forward_with(weights, batch.inputs, taps);
}

void DifferentiableQuantisation::after_step(const Step&) {
  const at::NoGradGuard no_grad;
  for (Tensor points : points_.params()) points.copy_(std::get<0>(points.sort()));
}

std::map<std::string, Quantised> DifferentiableQuantisation::quantised(const Net& net) const {
  std::map<std::string, Quantised> all;
  for (size_t i = 0; i < plan_.size(); ++i) {
    const Tensor points = points_.params()[i].detach().clone();
    all[plan_[i].name] = {scales_[i], points, nearest_points(units_[i], points), points.numel(),
                          net.params()[plan_[i].param].sizes().vec()};
  }
  return all;
}

void DifferentiableQuantisation::deploy(Net& net) const {
  const at::NoGradGuard no_grad;
  const auto all = quantised(net);
  for (const QuantisedTensor& tensor : plan_) {
    Tensor weight = net.params()[tensor.param];
    weight.copy_(all.at(tensor.name).values());
  }
}

std::vector<double> gradient_norms(const ClassifierRun& classifier, const Net& net, const QuantisationPlan& plan,
                                   const DistillationLoss& loss, int64_t batches) {
  const Dataset& data = classifier.splits.train;
  const int64_t size = classifier.train_knobs.batch;
  Net held = net.clone();
  held.train(false);
  held.require_grad(true);
  Tensors weights;
  for (const QuantisedTensor& tensor : plan) weights.push_back(held.params()[tensor.param]);
  std::vector<double> norms(plan.size(), 0);
  for (int64_t batch = 0; batch < batches && batch * size < data.size(); ++batch) {
    const Dataset part = data.take(at::arange(batch * size, std::min((batch + 1) * size, data.size()), at::kLong));
    const Tensor inputs = prepared_inputs(part).to(classifier.run.device);
    Signals teacher;
    if (loss.lambda > 0) teacher = classifier.teacher->ask(part.ids, inputs, /*repeats=*/false, loss.wanted());
    const Tensors gradients = torch::autograd::grad({loss(held.forward(inputs), teacher.logits, part.labels.to(classifier.run.device))},
                                                    weights);
    for (size_t i = 0; i < norms.size(); ++i) norms[i] += gradients[i].norm().item<double>() / static_cast<double>(batches);
  }
  return norms;
}

}  // namespace retort::compress

#include "retort/methods/compress/slices.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/compress/assistant_choice.h"
#include "retort/nets/linear_map.h"

namespace retort::compress {

Wanted CompositeLoss::wanted() const {
  Wanted wanted;
  wanted.logits = a > 0;
  if (b > 0) wanted.features = {"embedding"};
  return wanted;
}

std::array<Tensor, 3> CompositeLoss::terms(const Step& step, const Tensor& logits, const Tensor& embedding, const Net& projector) const {
  std::array<Tensor, 3> terms = {label_loss(logits, step.batch)};
  if (a > 0) terms[1] = losses::kl(logits, step.teacher.logits, losses::Temperature{temperature}.scaled());
  if (b > 0) terms[2] = losses::mse(projector.forward(embedding), step.teacher.features.at("embedding"));
  return terms;
}

Loss CompositeLoss::loss(const std::array<Tensor, 3>& terms) const {
  Loss loss;
  loss.add("ce", terms[0]);
  if (terms[1].defined()) loss.add("kd", terms[1], a);
  if (terms[2].defined()) loss.add("feature", terms[2], b);
  return loss;
}

void StudentObjective::setup(Trainer& trainer) {
  if (composite_.b == 0) return;
  projector_ = linear_map(trainer.student().tap_shape("embedding"), trainer.teacher()->tap_shape("embedding"),
                          trainer.seed().stream("projector"));
  trainer.learn("projector", projector_);
}

Loss StudentObjective::loss(const Step& step) {
  return composite_.loss(composite_.terms(step, step.logits, step.taps.at("embedding"), projector_));
}

JointObjective::JointObjective(CompositeLoss composite, const Net& shared, std::vector<Groups> candidates, int64_t more,
                               int64_t evaluations, const ClassifierRun& c)
    : composite_(composite), candidates_(std::move(candidates)), more_(more), wanted_evaluations_(evaluations), c_(c) {
  for (const Groups& kept : candidates_) {
    nets_.push_back(cut_out(shared, kept));
    nets_.back().train(true);
  }
}

void JointObjective::setup(Trainer& trainer) {
  if (composite_.b == 0) return;
  const std::vector<int64_t> teacher = trainer.teacher()->tap_shape("embedding");
  projectors_.reserve(nets_.size());
  for (size_t i = 0; i < nets_.size(); ++i) {
    projectors_.push_back(linear_map(nets_[i].tap_shape("embedding"), teacher, trainer.seed().stream("projector", i)));
    trainer.learn(fmt::format("projector.{}", i + 1), projectors_[i]);
  }
}

// The candidates run in loss(), where the teacher's signals are.
Tensor JointObjective::forward(Trainer&, const Batch&, Taps*) { return {}; }

Loss JointObjective::loss(const Step& step) {
  std::array<Tensor, 3> sums;
  for (const size_t i : sandwich(candidates_.size(), more_, step.trainer.seed().stream("candidates", static_cast<uint64_t>(step.step)))) {
    Taps taps{{"embedding"}, {}};
    const Tensor logits = nets_[i].forward_with(leading_params(step.trainer.student(), candidates_[i]), step.batch.inputs, &taps);
    const auto terms = composite_.terms(step, logits, taps.found.at("embedding"), composite_.b > 0 ? projectors_[i] : nets_[i]);
    for (size_t k = 0; k < terms.size(); ++k)
      if (terms[k].defined()) sums[k] = sums[k].defined() ? sums[k] + terms[k] : terms[k];
    ++passes_;
  }
  return composite_.loss(sums);
}

Net JointObjective::candidate(const Net& shared, size_t index) const {
  Net net = cut_out(shared, candidates_[index]);
  const TensorMap own = nets_[index].named_tensors();
  TensorMap tensors = net.named_tensors();
  for (const auto& name : net.buffer_names()) tensors[name] = own.at(name);
  net.load(tensors, "a candidate");
  return net;
}

void JointObjective::end_epoch(Trainer& trainer, int64_t epoch) {
  const int64_t epochs = trainer.job().knobs.epochs, limit = trainer.run().place.max_steps;
  const bool last = epoch + wanted_evaluations_ >= epochs || (limit > 0 && (epoch + 1) * trainer.steps_per_epoch() >= limit);
  if (!last || c_.splits.validation.size() == 0) return;
  std::vector<double> row;
  const bool norms = !trainer.student().buffers().empty();
  const Tensor inputs = norms ? prepared_inputs(trainer.data()).to(trainer.run().device) : Tensor();
  for (size_t i = 0; i < candidates_.size(); ++i) {
    Net net = candidate(trainer.student(), i);
    if (norms) reestimate_batch_norm(net, inputs);
    row.push_back(validation_accuracy(net, c_));
  }
  evaluations_.push_back(std::move(row));
}

State JointObjective::state() const {
  State state;
  state.values = {{"evaluations", evaluations_}, {"passes", passes_}};
  for (size_t i = 0; i < nets_.size(); ++i)
    for (size_t k = 0; k < nets_[i].buffers().size(); ++k)
      state.tensors[fmt::format("{}.{}", i, nets_[i].buffer_names()[k])] = nets_[i].buffers()[k];
  return state;
}

void JointObjective::load(const State& state) {
  evaluations_ = state.values.at("evaluations").get<std::vector<std::vector<double>>>();
  passes_ = state.values.at("passes");
  for (size_t i = 0; i < nets_.size(); ++i)
    for (size_t k = 0; k < nets_[i].buffers().size(); ++k) {
      Tensor buffer = nets_[i].buffers()[k];
      buffer.copy_(state.tensor(fmt::format("{}.{}", i, nets_[i].buffer_names()[k])));
    }
}

std::vector<Tensor> importance_orders(const Net& given, const Dataset& data, int64_t rows, at::Device device) {
  constexpr int64_t kBatch = 16;
  Net net = given.clone();
  net.train(false);
  net.require_grad(true);
  const Tensor labelled = at::nonzero(data.labels >= 0).squeeze(1);
  const Dataset used = data.take(labelled.slice(0, 0, std::min(rows, labelled.numel())));
  if (used.size() == 0) throw DataError("amd: no training row has a label to judge the importance of weights by", "label some of them");
  const Tensor inputs = prepared_inputs(used).to(device);
  std::vector<Tensor> sums;
  for (int64_t first = 0; first < used.size(); first += kBatch) {
    const int64_t last = std::min(first + kBatch, used.size());
    const Tensor loss = losses::cross_entropy(net.forward(inputs.slice(0, first, last)), used.labels.slice(0, first, last).to(device));
    const auto scores = taylor_importance(net, torch::autograd::grad({loss}, net.params(), {}, {}, false, /*allow_unused=*/true));
    for (size_t i = 0; i < scores.size(); ++i) {
      if (sums.size() <= i)
        sums.push_back(scores[i]);
      else
        sums[i] += scores[i];
    }
  }
  for (Tensor& sum : sums) sum = std::get<1>(sum.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  return sums;
}

double validation_accuracy(const Net& net, const ClassifierRun& c) {
  const Dataset& held_out = c.splits.validation;
  const Tensor decisions = predict_logits(net, prepared_inputs(held_out).to(c.run.device)).argmax(1).cpu(), counted = held_out.labels >= 0;
  return (decisions == held_out.labels).masked_select(counted).to(at::kDouble).mean().item<double>();
}

}  // namespace retort::compress

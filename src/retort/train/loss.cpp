#include "retort/losses/soft_targets.h"
#include "retort/train/train.h"

namespace retort {
namespace {

class FunctionObjective : public Objective {
 public:
  FunctionObjective(Wanted wanted, std::function<Loss(const Step&)> loss) : wanted_(std::move(wanted)), loss_(std::move(loss)) {}
  Wanted wanted() const override { return wanted_; }
  Loss loss(const Step& step) override { return loss_(step); }

 private:
  Wanted wanted_;
  std::function<Loss(const Step&)> loss_;
};

}  // namespace

Loss& Loss::add(std::string name, Tensor value, double weight) {
  terms_.push_back({std::move(name), weight, std::move(value)});
  return *this;
}

Tensor Loss::total() const {
  Tensor sum;
  for (const auto& term : terms_) {
    if (term.weight == 0) continue;
    const Tensor part = term.weight == 1 ? term.value : term.value * term.weight;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

Tensor Objective::forward(Trainer& trainer, const Batch& batch, Taps* taps) { return trainer.student().forward(batch.inputs, taps); }

std::unique_ptr<Objective> objective(Wanted wanted, std::function<Loss(const Step&)> loss) {
  return std::make_unique<FunctionObjective>(std::move(wanted), std::move(loss));
}

Tensor label_loss(const Tensor& logits, const Batch& batch) {
  return batch.targets.defined() ? losses::soft_cross_entropy(logits, batch.targets) : losses::cross_entropy(logits, batch.labels);
}

Tensor label_loss(const Step& step) { return label_loss(step.logits, step.batch); }

std::unique_ptr<Objective> label_objective() {
  return objective({}, [](const Step& step) { return Loss().add("ce", label_loss(step)); });
}

Loss label_and_teacher_loss(const Tensor& logits, const Batch& batch, const Tensor& teacher_logits, double temperature, double w_ce,
                            double w_kd) {
  const auto weighted = [&](const Tensor& ce, const Tensor& kd) { return Loss().add("ce", ce, w_ce).add("kd", kd, w_kd); };
  if (w_kd == 0) return Loss().add("ce", label_loss(logits, batch), w_ce);
  if (batch.targets.defined())
    return weighted(label_loss(logits, batch), losses::kl(logits, teacher_logits, losses::Temperature{temperature}.scaled()));
  const auto [ce, kd] = losses::cross_entropy_and_kl(logits, teacher_logits, batch.labels, temperature);
  return weighted(ce, kd);
}

}  // namespace retort

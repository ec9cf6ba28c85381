#include "retort/methods/blackbox/counted_answers.h"

#include "retort/losses/soft_targets.h"

namespace retort::blackbox {

Tensor CountedAnswers::ask(const Dataset& rows) {
  const Tensor known = table_.rows(rows.ids), fresh = at::nonzero(known < 0).squeeze(1);
  const Dataset asked = rows.take(fresh);
  const Tensor inputs = asked.size() > 0 ? prepared_inputs(asked) : Tensor();
  Wanted wanted;
  wanted.logits = teacher_.access() >= Access::logits;
  wanted.labels = !wanted.logits;
  for (int64_t first = 0; first < asked.size(); first += 500) {
    const int64_t last = std::min(first + 500, asked.size());
    const Tensor ids = asked.ids.slice(0, first, last);
    const Signals said = teacher_.ask(ids, inputs.slice(0, first, last).to(device_), /*repeats=*/true, wanted);
    Tensor answer = wanted.logits ? at::softmax(said.logits.cpu().to(at::kFloat), 1)
                                  : at::one_hot(said.labels.cpu(), teacher_.classes()).to(at::kFloat);
    if (change_) answer = change_(answer, ids);
    answers_ = answers_.defined() ? at::cat({answers_, answer}) : answer;
    for (int64_t i = 0; i < ids.size(0); ++i) table_.add(ids[i].item<int64_t>());
  }
  return kept(rows.ids);
}

Tensor CountedAnswers::kept(const Tensor& ids) const {
  const Tensor rows = table_.rows(ids.cpu());
  if (!answers_.defined()) return at::zeros({ids.size(0), teacher_.classes()});
  return answers_.index_select(0, rows.clamp_min(0)) * (rows >= 0).unsqueeze(1);
}

std::unique_ptr<Objective> labels_and_answers(const CountedAnswers& answers, double temperature) {
  return objective({}, [&answers, temperature](const Step& step) {
    const Tensor others = at::nonzero(step.labels() < 0).squeeze(1);
    const double share = static_cast<double>(others.size(0)) / static_cast<double>(step.labels().size(0));
    Loss loss;
    loss.add("ce", label_loss(step), 1 - share);
    if (share == 0) return loss;
    // A teacher that is sure has logits far apart, not infinitely far.
    const Tensor said = answers.kept(step.batch.ids.index_select(0, others.cpu())).to(step.logits.device()).clamp_min(1e-7).log();
    return std::move(
        loss.add("kd", losses::kl(step.logits.index_select(0, others), said, losses::Temperature{temperature}.scaled()), share));
  });
}

}  // namespace retort::blackbox

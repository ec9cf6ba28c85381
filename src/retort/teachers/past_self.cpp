#include "retort/teachers/past_self.h"

#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"

namespace retort {

void SnapshotTeacher::take(const Net& net) {
  net_.copy_from(net);
  taken_ = true;
}

Signals SnapshotTeacher::ask(const Tensor&, const Tensor& inputs, bool, const Wanted& wanted) {
  if (!taken_)
    throw AccessError("the student was asked for its past before there was one", "take a snapshot first, or begin with the labels alone");
  Taps taps{wanted.features, {}};
  Signals said;
  said.logits = net_.forward(inputs.detach(), wanted.features.empty() ? nullptr : &taps);
  said.features = std::move(taps.found);
  return derive(std::move(said), wanted);
}

std::string SnapshotTeacher::about() const { return fmt::format("the student's past ({})", net_.spec().value("arch", std::string("net"))); }

State SnapshotTeacher::state() const {
  State state;
  state.values["taken"] = taken_;
  if (taken_) state.tensors = net_.named_tensors();
  return state;
}

void SnapshotTeacher::load(const State& state) {
  taken_ = state.values.value("taken", false);
  if (taken_) net_.load(state.tensors, "checkpoint of the student's past");
}

void PredictionBank::update(const Tensor& ids, const Tensor& probabilities) {
  if (ids.dim() != 1 || probabilities.dim() != 2 || probabilities.size(0) != ids.size(0) || probabilities.size(1) != classes_) {
    throw std::invalid_argument("PredictionBank: takes ids [b] and probabilities [b, classes]");
  }
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous(), rows = at::empty_like(list);
  const auto* const numbers = list.data_ptr<int64_t>();
  int64_t unknown = 0;
  for (int64_t i = 0; i < list.numel(); ++i) unknown += ids_.find(numbers[i]) < 0;
  const int64_t row_bytes = classes_ * static_cast<int64_t>(sizeof(float)), room = limit_bytes_ / row_bytes, wanted = ids_.size() + unknown;
  if (wanted > room) {
    throw ConfigError(fmt::format("the bank of past predictions holds {} samples of {} classes in its {} bytes; one more came",
                                  with_commas(room), classes_, with_commas(limit_bytes_)),
                      "give the bank more memory or train on fewer samples");
  }
  if (!rows_.defined() || wanted > rows_.size(0)) {
    const Tensor larger = at::zeros({std::min(room, std::max<int64_t>(2 * wanted, 1024)), classes_});
    if (rows_.defined()) larger.narrow(0, 0, ids_.size()).copy_(rows_.narrow(0, 0, ids_.size()));
    rows_ = larger;
  }
  auto* const to = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < list.numel(); ++i) to[i] = ids_.add(numbers[i]);
  rows_.index_copy_(0, rows, probabilities.detach().to(at::kCPU, at::kFloat));
}

Tensor PredictionBank::known(const Tensor& ids) const { return ids_.rows(ids) >= 0; }

Tensor PredictionBank::lookup(const Tensor& ids, const Tensor& otherwise) const {
  const Tensor rows = ids_.rows(ids), known = rows >= 0;
  if (!rows_.defined()) return otherwise;
  const Tensor stored = rows_.index_select(0, rows.clamp_min(0)).to(otherwise.device());
  return at::where(known.unsqueeze(1).to(otherwise.device()), stored, otherwise);
}

State PredictionBank::state() const {
  State state;
  state.tensors["ids"] = at::tensor(ids_.ids(), at::kLong);
  state.tensors["probabilities"] = rows_.defined() ? rows_.narrow(0, 0, ids_.size()).clone() : at::zeros({0, classes_});
  return state;
}

void PredictionBank::load(const State& state) {
  const Tensor &ids = state.tensor("ids"), &probabilities = state.tensor("probabilities");
  if (ids.dim() != 1 || probabilities.dim() != 2 || probabilities.size(0) != ids.size(0) || probabilities.size(1) != classes_) {
    throw DataError(fmt::format("checkpoint of past predictions: expected {} classes for every id", classes_),
                    "it was written by another recipe");
  }
  ids_ = IdTable();
  rows_ = Tensor();
  if (ids.numel() > 0) update(ids, probabilities);
}

}  // namespace retort

#include "retort/train/memory_bank.h"

#include "retort/base/error.h"
#include "retort/losses/contrastive.h"

namespace retort {
namespace {

std::vector<int64_t> numbers(const Tensor& tensor) {
  const Tensor held = tensor.to(at::kCPU).contiguous();
  return {held.data_ptr<int64_t>(), held.data_ptr<int64_t>() + held.numel()};
}

Tensor starting_memory(int64_t rows, int64_t dim, Seed seed) {
  const double bound = 1 / std::sqrt(static_cast<double>(dim) / 3);
  return at::empty({rows, dim}, at::kFloat).uniform_(-bound, bound, seed.generator());
}

}  // namespace

MemoryBank::MemoryBank(const Tensor& ids, const Tensor& labels, MemoryPlan plan, Seed seed)
    : plan_(plan),
      student_(starting_memory(ids.size(0), plan.dim, seed.stream("student"))),
      teacher_(starting_memory(ids.size(0), plan.dim, seed.stream("teacher"))) {
  const auto id = numbers(ids), label = numbers(labels);
  const int64_t n = static_cast<int64_t>(id.size());
  for (int64_t row = 0; row < n; ++row) row_of_id_[id[row]] = row;
  if (static_cast<int64_t>(row_of_id_.size()) != n) throw DataError("memory bank: two training samples share an id");

  by_class_.resize(n);
  std::iota(by_class_.begin(), by_class_.end(), 0);
  deck_ = by_class_;
  std::stable_sort(by_class_.begin(), by_class_.end(), [&](int64_t a, int64_t b) { return label[a] < label[b]; });
  class_span_.resize(n);
  negatives_ = plan.negatives;
  for (int64_t first = 0, last; first < n; first = last) {
    for (last = first + 1; last < n && label[by_class_[first]] >= 0 && label[by_class_[last]] == label[by_class_[first]];) ++last;
    for (int64_t i = first; i < last; ++i) class_span_[by_class_[i]] = {first, last};
    negatives_ = std::min(negatives_, n - (last - first));
  }
  if (negatives_ < 1) {
    throw ConfigError("memory bank: all training samples belong to one class",
                      "contrastive distillation needs negatives: samples of at least two classes");
  }
}

Tensor MemoryBank::rows_of(const Tensor& ids) const {
  auto rows = numbers(ids);
  for (int64_t& entry : rows) {
    const auto found = row_of_id_.find(entry);
    if (found == row_of_id_.end()) throw DataError(fmt::format("memory bank: sample id {} is not of the training part", entry));
    entry = found->second;
  }
  return torch::tensor(rows, at::kLong);
}

Tensor MemoryBank::draw(const Tensor& rows, Seed seed) {
  const auto wanted = numbers(rows);
  const Tensor drawn = at::empty({rows.size(0), 1 + negatives_}, at::kLong);
  int64_t* out = drawn.data_ptr<int64_t>();
  std::vector<int64_t> swaps(negatives_);
  for (const int64_t row : wanted) {
    Dice dice(seed.stream("sample", static_cast<uint64_t>(row)));
    const auto [first, last] = class_span_[row];
    const int64_t others = size() - (last - first), skip = last - first;
    *out++ = plan_.positives_of_class ? by_class_[first + dice.below(skip)] : row;
    // A shuffle of the deck as far as needed: for the negatives or, where they are most of the others, for those left out. It is undone
    // afterwards, so that a draw owes nothing to those before it.
    const int64_t shuffled = std::min(negatives_, others - negatives_), chosen = shuffled == negatives_ ? 0 : shuffled;
    for (int64_t i = 0; i < shuffled; ++i) {
      swaps[i] = i + dice.below(others - i);
      std::swap(deck_[i], deck_[swaps[i]]);
    }
    for (int64_t i = chosen; i < chosen + negatives_; ++i) {
      const int64_t place = deck_[i] < first ? deck_[i] : deck_[i] + skip;  // the places of by_class_ outside the class
      *out++ = by_class_[place];
    }
    for (int64_t i = shuffled - 1; i >= 0; --i) std::swap(deck_[i], deck_[swaps[i]]);
  }
  return drawn;
}

void MemoryBank::refresh(const ProcessGroup& group, const Tensor& rows, const Tensor& student, const Tensor& teacher) {
  const at::NoGradGuard no_grad;
  const Tensor all = group.all_gather_rows(rows).to(student_.device());
  const auto move = [&](Tensor& memory, const Tensor& embeddings) {
    memory.index_copy_(0, all, losses::refreshed_memory(memory.index_select(0, all), group.all_gather_rows(embeddings), plan_.momentum));
  };
  move(student_, student);
  move(teacher_, teacher);
}

State MemoryBank::state() const { return {{{"student", student_}, {"teacher", teacher_}}, nlohmann::json::object()}; }

void MemoryBank::load(const State& state) {
  student_.copy_(state.tensor("student"));
  teacher_.copy_(state.tensor("teacher"));
}

void MemoryBank::to(at::Device device) {
  student_ = student_.to(device);
  teacher_ = teacher_.to(device);
}

}  // namespace retort

#include "retort/teachers/counted.h"

#include "retort/base/error.h"

namespace retort {
namespace {

constexpr int64_t kBatch = 1000;  // inputs a question

}  // namespace

CountedTeacher::CountedTeacher(Teacher& behind, int64_t max_calls) : behind_(behind), max_calls_(max_calls) {
  if (max_calls < 0) throw ConfigError(fmt::format("a budget of {} calls: expected 0 (no limit) or more", max_calls));
  if (!behind.live())
    throw ConfigError(fmt::format("the teacher ({}) knows captured answers only and cannot be asked about new inputs", behind.about()),
                      "name the model itself, or its API");
}

Signals CountedTeacher::ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) {
  require_access(*this, access_for(wanted), "the question");
  const int64_t rows = inputs.size(0);
  if (max_calls_ > 0 && calls_ + rows > max_calls_) {
    throw BudgetError(fmt::format("the budget of {} calls is spent: {} made, {} more asked for", with_commas(max_calls_),
                                  with_commas(calls_), with_commas(rows)),
                      "raise knobs.budget, or ask about fewer images");
  }
  const at::NoGradGuard no_grad;
  calls_ += rows;
  Signals said = behind_.ask(ids, inputs.detach(), repeats, wanted);
  check(said, rows, wanted);
  return said;
}

void CountedTeacher::check(const Signals& said, int64_t rows, const Wanted& wanted) const {
  if (wanted.logits) {
    if (said.logits.dim() != 2 || said.logits.size(0) != rows || said.logits.size(1) != classes()) {
      throw TeacherError(
          fmt::format("the teacher ({}) answered [{}]; expected [{}, {}]", about(), fmt::join(said.logits.sizes(), ", "), rows, classes()),
          "it must give one number a class for every input");
    }
    if (!said.logits.isfinite().all().item<bool>())
      throw TeacherError(fmt::format("the teacher ({}) answered with numbers that are not finite", about()),
                         "does it read inputs of this range?");
  }
  if (!wanted.labels) return;
  if (said.labels.dim() != 1 || said.labels.size(0) != rows) {
    throw TeacherError(
        fmt::format("the teacher ({}) answered [{}] labels; expected [{}]", about(), fmt::join(said.labels.sizes(), ", "), rows),
        "it must give one label for every input");
  }
  if (rows > 0 && (said.labels.min().item<int64_t>() < 0 || said.labels.max().item<int64_t>() >= classes())) {
    throw TeacherError(fmt::format("the teacher ({}) answered with a label outside 0 to {}", about(), classes() - 1),
                       "it must decide between the classes of the data");
  }
}

Tensor CountedTeacher::in_batches(const Tensor& inputs, const Wanted& wanted) {
  Tensors parts;
  for (int64_t first = 0; first < inputs.size(0); first += kBatch) {
    const Tensor part = inputs.slice(0, first, std::min(first + kBatch, inputs.size(0)));
    const Signals said = ask(at::full({part.size(0)}, -1, at::kLong), part, /*repeats=*/false, wanted);
    parts.push_back(wanted.logits ? said.logits : said.labels);
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

Tensor CountedTeacher::logits(const Tensor& inputs) {
  Wanted wanted;
  wanted.logits = true;
  return in_batches(inputs, wanted);
}

Tensor CountedTeacher::labels(const Tensor& inputs) {
  Wanted wanted;
  wanted.labels = true;
  return in_batches(inputs, wanted);
}

}  // namespace retort

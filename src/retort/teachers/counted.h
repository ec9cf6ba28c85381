// A classifier as its API shows it: every input is a call that counts, answers are all that is seen, and no gradient passes.
#pragma once

#include "retort/teachers/teacher.h"

namespace retort {

class CountedTeacher final : public Teacher {
 public:
  // `behind` must outlive this one. `max_calls` 0: no limit.
  explicit CountedTeacher(Teacher& behind, int64_t max_calls = 0);

  Access access() const override { return std::min(behind_.access(), Access::logits); }
  int64_t classes() const override { return behind_.classes(); }
  bool live() const override { return behind_.live(); }
  std::string about() const override { return behind_.about(); }
  // Throws BudgetError, before anything is asked, where the inputs are more than what is left, and TeacherError for answers that are not one row of
  // finite numbers, one a class, for each input.
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override;

  // Answers about inputs of no data set, in batches: [n, classes], or [n] int64.
  Tensor logits(const Tensor& inputs);
  Tensor labels(const Tensor& inputs);

  int64_t calls() const { return calls_; }
  int64_t max_calls() const { return max_calls_; }
  void count_from(int64_t calls) { calls_ = calls; }  // a resumed run goes on counting

 private:
  Teacher& behind_;
  int64_t max_calls_, calls_ = 0;
  void check(const Signals& said, int64_t rows, const Wanted& wanted) const;
  Tensor in_batches(const Tensor& inputs, const Wanted& wanted);
};

}  // namespace retort

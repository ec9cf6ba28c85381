// The memory of contrastive distillation: an embedding of every training sample on both sides, and the draw of positives and negatives from it.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "retort/base/checkpoint.h"
#include "retort/base/process_group.h"
#include "retort/base/random.h"

namespace retort {

struct MemoryPlan {
  int64_t dim = 128, negatives = 16384;
  double momentum = 0.5;            // share of the old embedding that stays at a visit
  bool positives_of_class = false;  // positive: another sample of the class at random ("relax"), instead of the sample itself ("exact")
};

class MemoryBank {
 public:
  // `ids`, `labels`: [n] of the training part. Rows start as U(-1/sqrt(dim/3), 1/sqrt(dim/3)). A row without label (-1) is a class of its own.
  // Fewer negatives are drawn where the smallest choice of other classes has no more. Throws ConfigError when all rows share one class.
  MemoryBank(const Tensor& ids, const Tensor& labels, MemoryPlan plan, Seed seed);

  int64_t size() const { return student_.size(0); }
  int64_t negatives() const { return negatives_; }
  const Tensor& student() const { return student_; }  // [n, dim]
  const Tensor& teacher() const { return teacher_; }

  Tensor rows_of(const Tensor& ids) const;  // [b] ids -> [b] rows of the memory; throws DataError for an unknown id
  // Positive (column 0) and negatives, different from each other and of other classes: [b, 1+negatives]. Depends on seed and row alone.
  Tensor draw(const Tensor& rows, Seed seed);
  // Moves the rows towards the embeddings [b, dim] of all processes.
  void refresh(const ProcessGroup& group, const Tensor& rows, const Tensor& student, const Tensor& teacher);

  State state() const;
  void load(const State& state);
  void to(at::Device device);

 private:
  MemoryPlan plan_;
  Tensor student_, teacher_;
  std::unordered_map<int64_t, int64_t> row_of_id_;
  std::vector<int64_t> by_class_;                        // rows, those of a class side by side
  std::vector<std::pair<int64_t, int64_t>> class_span_;  // of each row's class in by_class_: [first, last)
  std::vector<int64_t> deck_;                            // 0 … n-1 between draws
  int64_t negatives_ = 0;
};

}  // namespace retort

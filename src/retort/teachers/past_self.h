// The student's own past as a teacher: its weights at some moment, or what it said about each sample when it last saw it.
#pragma once

#include "retort/base/checkpoint.h"
#include "retort/teachers/id_table.h"
#include "retort/teachers/teacher.h"

namespace retort {

// Answers with the weights of the last take(); asking before the first one throws AccessError.
class SnapshotTeacher final : public Teacher {
 public:
  explicit SnapshotTeacher(const Net& like) : net_(like.frozen()) {}
  void take(const Net& net);  // copies the weights of a net of the same architecture
  bool taken() const { return taken_; }

  Access access() const override { return Access::weights; }
  int64_t classes() const override { return net_.outputs(); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override;  // nothing is kept: weights change
  std::string about() const override;
  std::vector<std::string> tap_names() const override { return net_.tap_names(); }
  std::vector<int64_t> tap_shape(const std::string& name) const override { return net_.tap_shape(name); }
  const Net* net() const override { return taken_ ? &net_ : nullptr; }

  State state() const;
  void load(const State& state);  // throws DataError

 private:
  Net net_;
  bool taken_ = false;
};

// The last prediction for every sample id, kept as float32 rows of `classes`.
class PredictionBank {
 public:
  explicit PredictionBank(int64_t classes, int64_t limit_bytes = int64_t{1} << 30) : classes_(classes), limit_bytes_(limit_bytes) {}
  // Overwrites the rows of these ids. ids: [b] int64; probabilities: [b, classes]. Throws ConfigError when the bank would outgrow its limit.
  void update(const Tensor& ids, const Tensor& probabilities);
  Tensor known(const Tensor& ids) const;  // [b] bool
  // The stored rows; where there are none yet, those of `otherwise` [b, classes] (labels, usually). [b, classes]
  Tensor lookup(const Tensor& ids, const Tensor& otherwise) const;
  int64_t size() const { return ids_.size(); }
  int64_t classes() const { return classes_; }

  State state() const;
  void load(const State& state);  // throws DataError

 private:
  int64_t classes_, limit_bytes_;
  IdTable ids_;
  Tensor rows_;  // [capacity, classes]
};

}  // namespace retort

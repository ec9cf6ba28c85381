// Answers kept by sample id, for teachers that run in this process.
#pragma once

#include <map>
#include <string>

#include "retort/teachers/id_table.h"
#include "retort/teachers/teacher.h"

namespace retort {

class KeptAnswers {
 public:
  // Tables grow up to `limit_bytes` together; after that, what is not kept is computed again.
  explicit KeptAnswers(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Logits (when asked) and features of a batch of inputs.
  using Compute = std::function<Signals(const Tensor& inputs, bool logits, const std::vector<std::string>& features)>;

  // Answers from what is kept, computing and keeping what is not. Inputs that repeat are computed in batches of exactly kChunk rows, padded,
  // so that an answer has the same bits whichever samples it is asked with (a resumed run asks in other company than an unbroken one).
  Signals answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const Compute& compute);
  int64_t bytes() const { return bytes_; }

  static constexpr int64_t kChunk = 64;

 private:
  struct Kind {
    IdTable ids;
    Tensor values;  // [capacity, …]; the first ids.size() rows count
  };
  std::map<std::string, Kind> kinds_;  // "" for logits, else the tap
  int64_t limit_bytes_, bytes_ = 0;

  void keep(Kind& kind, const Tensor& ids, const Tensor& values);
  bool grow(Kind& kind, const Tensor& like, int64_t rows);
};

// Adds the hard decision and the top k to signals whose logits are there, and drops the logits where they were not asked for.
Signals derive(Signals raw, const Wanted& wanted);

}  // namespace retort

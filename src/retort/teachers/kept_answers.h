// Answers of a teacher that runs in this process, kept for the data set that it serves.
#pragma once

#include <map>
#include <string>

#include "retort/teachers/id_table.h"
#include "retort/teachers/teacher.h"

namespace retort {

// A matrix product rounds a row differently in other company, and a resumed run asks in other company than an unbroken one. So what is kept is
// computed in fixed company: kChunk neighbouring rows of the data set at a time, the first time that one of them is asked about.
class KeptAnswers {
 public:
  // What does not fit into `limit_bytes` for the whole data set is not kept at all, but computed at every visit.
  explicit KeptAnswers(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  void serve(const Dataset& data);

  // Logits (when asked) and features of a batch of inputs, without gradients.
  using Compute = std::function<Signals(const Tensor& inputs, bool logits, const std::vector<std::string>& features)>;
  Signals answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const Compute& compute);
  // The same for a computation that is told the samples' ids [b], too.
  using ComputeById =
      std::function<Signals(const Tensor& ids, const Tensor& inputs, bool logits, const std::vector<std::string>& features)>;
  Signals answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const ComputeById& compute);
  int64_t bytes() const { return bytes_; }

  static constexpr int64_t kChunk = 16;

 private:
  struct Kind {
    Tensor values;           // [n, …] in the order of the data set; undefined until the first chunk
    std::vector<bool> done;  // by chunk
  };
  Dataset data_;
  IdTable rows_;
  std::map<std::string, Kind> kinds_;  // "" for logits, else the tap
  int64_t limit_bytes_, bytes_ = 0;

  bool fill(int64_t chunk, bool logits, const std::vector<std::string>& features, const ComputeById& compute);
  bool make_room(Kind& kind, const Tensor& like);
};

// Adds the hard decision and the top k to signals whose logits are there, and drops the logits where they were not asked for.
Signals derive(Signals raw, const Wanted& wanted);

}  // namespace retort

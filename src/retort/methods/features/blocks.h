// The training of a student cut into blocks.
#pragma once

#include <optional>
#include <set>

#include "retort/methods/features/block_cuts.h"
#include "retort/train/classifier.h"

namespace retort::features {

struct BlockPlan {
  std::vector<Boundary> boundaries;
  std::vector<Segments> stages;
  bool fold = true;  // an adapter pair becomes a linear map of the student when its boundary is merged; false: it is dropped
  std::string adapter = "linear";
  double temperature = 4, w_ce = 0.1, w_kd = 0.9, feature_weight = 1, inner = 0;
  double noise_share = 0;  // share of the epochs, from the first, in which the noise of the first block's gradient is measured; 0: never
  int64_t noise_batches = 16;
  bool maps() const;  // whether boundaries that need adapters get maps in the student
};

// The student with a linear map behind each boundary where the teacher's width is another, if the plan wants maps.
Net student_for(const BlockPlan& plan, const Net& student, const Teacher& teacher);

class BlockObjective : public Objective {
 public:
  BlockObjective(BlockPlan plan, const ClassifierRun& c) : plan_(std::move(plan)), c_(c) {}
  Wanted wanted() const override;
  void setup(Trainer& trainer) override;
  Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps) override;
  Loss loss(const Step& step) override;
  void begin_stage(Trainer& trainer, size_t stage) override;
  void begin_epoch(Trainer& trainer, int64_t epoch) override;
  void end_epoch(Trainer& trainer, int64_t epoch) override;
  State state() const override;
  void load(const State& state) override;

  // Step 3, for the segments of a stage: no gradient leaves a segment. `logits`: of the whole student where there is one segment, or undefined.
  Loss losses_of(const Net& student, const Segments& segments, const Batch& batch, const Signals& teacher, Tensor logits) const;
  // Puts the product of each pair of adapters whose boundary is not merged yet into the student's map, so that the composed student may be looked at.
  void sync_maps(Net& student) const;

  struct Look {
    double composed = 0,
           fed = 0;  // accuracy on the validation part: of the student as it is; of its last segment behind the teacher's features
  };
  const std::vector<Look>& looks() const { return looks_; }  // one an epoch
  // Variance of the first block's gradient over its squared mean: summed over the epochs measured, each at its beginning; and before the first step.
  double noise() const;
  double noise_at_start() const;
  // Of boundary k, student to teacher and back; null where widths agree.
  std::pair<const Net*, const Net*> adapters(size_t k) const { return {out_[k] ? &*out_[k] : nullptr, in_[k] ? &*in_[k] : nullptr}; }

 private:
  BlockPlan plan_;
  const ClassifierRun& c_;
  std::vector<std::optional<Net>> in_, out_;  // adapters of boundary k: teacher to student, student to teacher; none where widths agree
  std::vector<size_t> ends_,
      begins_;  // of boundary k in the student's blocks: one past its layer; where the next block begins (behind a map)
  std::vector<size_t> first_params_;  // positions of the first block's parameters
  std::set<size_t> merged_;           // boundaries whose adapters have been folded or dropped
  Segments now_;
  std::vector<Look> looks_;
  std::vector<std::pair<double, double>> noises_;  // variance, squared mean

  bool whole() const { return now_.size() == 1 && (plan_.inner == 0 || plan_.boundaries.empty()); }
  Tensor entered(size_t segment_begin, const Batch& batch, const Signals& teacher) const;
  Look look(Trainer& trainer) const;
  std::pair<double, double> measured_noise(Trainer& trainer, int64_t epoch) const;
};

}  // namespace retort::features

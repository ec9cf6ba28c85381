// The ladder of unic: projectors from every block of the student to every teacher's standardised features.
#pragma once

#include "retort/methods/features/unic_teachers.h"
#include "retort/train/running_standardiser.h"

namespace retort::features {

struct UnicKnobs {
  double drop = 0.5, cosine = 0.5, smooth_l1 = 0.5, sigma_floor = 0.001;
  int64_t hidden = 768, hidden_last = 3072, neighbours = 20;
  std::string ladder = "all", patches = "auto", patch_resize = "none", standardise = "running", weigh = "kept";
  std::vector<std::string> use, blocks, tasks = {"label"};
  void describe(Knobs& knobs);
};

class UnicObjective : public Objective {
 public:
  // The teachers must outlive it.
  UnicObjective(const UnicKnobs& knobs, std::vector<UnicTeacher>& teachers) : knobs_(knobs), teachers_(teachers) {}
  std::vector<std::string> student_taps() const override;
  void setup(Trainer& trainer) override;
  Loss loss(const Step& step) override;
  State state() const override;
  void load(const State& state) override;

 private:
  // The ladder to one teacher's global vector, or to its patches. Stays where it is: the trainer holds its projectors.
  struct Path {
    bool patch;
    std::vector<Net> rungs;  // one a block, the last block's last
    RunningStandardiser statistics;
  };
  UnicKnobs knobs_;
  std::vector<UnicTeacher>& teachers_;
  std::vector<std::string> global_taps_, patch_taps_;
  std::vector<std::unique_ptr<Path>> paths_;

  void choose_taps(const Net& student);
  bool use_patches(Trainer& trainer) const;
  std::string why_no_patches(const Net& student) const;  // empty when there are
  void add_path(Trainer& trainer, const UnicTeacher& teacher, bool patch);
  Tensor distance_of(Path& path, const UnicTeacher& teacher, const Signals& said, const Step& step);  // [b]
};

}  // namespace retort::features

// The parts of random-teacher that its studies share: knobs, the pairs of nets, one distillation.
#pragma once

#include "retort/train/classifier.h"
#include "retort/train/probe.h"

namespace retort::features {

struct StudyKnobs {
  int64_t prune_rounds = 0, plane = 0;
  double prune_share = 0.2;
  bool barrier = false;
  void describe(Knobs& knobs);
  bool trains_on_labels() const { return prune_rounds > 0 || barrier; }
};

struct RandomTeacherKnobs {
  double alpha = 0.2, epsilon = 0.5, temperature_teacher = 1, temperature_student = 1;
  std::string start = "interpolate", loss = "ce", teacher_net, teacher_statistics = "untouched", inputs = "data";
  std::vector<int64_t> head_hidden = {2048, 2048};
  int64_t bottleneck = 256, prototypes = 65536;
  bool normalise_prototypes = true, probe = true;
  ProbeKnobs probes;
  StudyKnobs study;
  void describe(Knobs& knobs);
};

struct RandomNets {
  Net encoder, head;
};
RandomNets draw_nets(const RandomTeacherKnobs& knobs, const std::string& arch, const Dataset& data, Seed seed);

// The student's side of both nets follows the frozen teacher's, without labels.
class RandomTeacherObjective : public Objective {
 public:
  RandomTeacherObjective(const RandomTeacherKnobs& knobs, const RandomNets& teacher, Net student_head);
  std::vector<std::string> student_taps() const override { return {"embedding"}; }
  Wanted wanted() const override;
  void setup(Trainer& trainer) override;
  Loss loss(const Step& step) override;
  const Net& head() const { return student_head_; }

 private:
  RandomTeacherKnobs knobs_;
  RandomNets teacher_;
  Net student_head_;
  Tensor embedding_of_teacher(const Step& step);
};

// Trains a student from the start that `alpha` (or knobs.epsilon) says, as the phase `phase`; `start` receives where it began.
RandomNets distil(ClassifierRun& c, const RandomTeacherKnobs& knobs, const std::string& phase, const RandomNets& teacher,
                  const RandomNets& other, double alpha, RandomNets* start = nullptr);

}  // namespace retort::features

// Training slices of a teacher: one at a time, or all candidates together in one set of weights.
#pragma once

#include <array>

#include "retort/nets/slim.h"
#include "retort/train/classifier.h"

namespace retort::compress {

// The composite loss of every phase: CE + a * T^2 KL(teacher || student) + b * MSE(projected embedding, teacher's embedding).
struct CompositeLoss {
  double temperature = 4, a = 1, b = 0.1;
  Wanted wanted() const;
  std::array<Tensor, 3> terms(const Step& step, const Tensor& logits, const Tensor& embedding, const Net& projector) const;  // unweighted
  Loss loss(const std::array<Tensor, 3>& terms) const;
};

// One student, any net with an embedding, under a teacher.
class StudentObjective : public Objective {
 public:
  explicit StudentObjective(CompositeLoss composite) : composite_(composite) {}
  std::vector<std::string> student_taps() const override { return {"embedding"}; }
  Wanted wanted() const override { return composite_.wanted(); }
  void setup(Trainer& trainer) override;
  Loss loss(const Step& step) override;

 private:
  CompositeLoss composite_;
  Net projector_;
};

// Candidates of all sizes in the weights of the net that is trained (whose groups are in order), each with statistics and a projector of its own.
class JointObjective : public Objective {
 public:
  JointObjective(CompositeLoss composite, const Net& shared, std::vector<Groups> candidates, int64_t more, int64_t evaluations,
                 const ClassifierRun& c);
  Wanted wanted() const override { return composite_.wanted(); }
  void setup(Trainer& trainer) override;
  Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps) override;
  Loss loss(const Step& step) override;
  void end_epoch(Trainer& trainer, int64_t epoch) override;
  State state() const override;
  void load(const State& state) override;

  Net candidate(const Net& shared, size_t index) const;  // cut out, with its own statistics
  const std::vector<std::vector<double>>& evaluations() const {
    return evaluations_;
  }                                           // accuracy of every candidate, an entry for each evaluation
  int64_t passes() const { return passes_; }  // forward and backward passes of candidates so far

 private:
  CompositeLoss composite_;
  std::vector<Groups> candidates_;
  std::vector<Net> nets_, projectors_;  // architectures and running statistics of the candidates; their parameters are not used
  int64_t more_, wanted_evaluations_, passes_ = 0;
  const ClassifierRun& c_;
  std::vector<std::vector<double>> evaluations_;
};

// Mean Taylor importance over batches of the labelled training rows (at most `rows`), as orders of descending importance.
std::vector<Tensor> importance_orders(const Net& net, const Dataset& data, int64_t rows, at::Device device);
double validation_accuracy(const Net& net, const ClassifierRun& c);  // in [0, 1]

}  // namespace retort::compress

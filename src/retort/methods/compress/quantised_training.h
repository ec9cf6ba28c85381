// Training students whose weights live on few levels: master weights behind a quantiser, and points that learn.  Polino et al. 2018, arXiv 1802.05668
#pragma once

#include "retort/nets/quantiser.h"
#include "retort/train/classifier.h"

namespace retort::compress {

// Which tensors of a net are quantised, and on how many levels.
struct QuantisedTensor {
  size_t param;  // its place in net.params()
  std::string name;
  int64_t levels;
};
using QuantisationPlan = std::vector<QuantisedTensor>;

// Every parameter but those named by `skip` (names, module names, or prefixes with *), vectors (biases, norm parameters) unless `vectors`, and the
// first and the last matrix when `float_ends`. Throws ConfigError for a pattern that names none, or when nothing is left.
QuantisationPlan quantisation_plan(const Net& net, int64_t levels, const std::vector<std::string>& skip, bool vectors, bool float_ends);

// (1 - lambda) CE + lambda T^2 KL(teacher || student); lambda 0 asks for no teacher.
struct DistillationLoss {
  double lambda = 0.7, temperature = 2;
  Wanted wanted() const;
  Loss operator()(const Step& step) const;
  Tensor operator()(const Tensor& logits, const Tensor& teacher, const Tensor& labels) const;
};

// Full precision: the float student, the start of everything else.
std::unique_ptr<Objective> float_training(const DistillationLoss& loss);

// Algorithm 1, quantised distillation. The student's weights are master copies; forward and backward pass run at their quantised values, and the
// gradient there is applied to the masters unchanged.
class QuantisedDistillation : public Objective {
 public:
  QuantisedDistillation(QuantisationPlan plan, int64_t bucket, bool stochastic, DistillationLoss loss);
  Wanted wanted() const override { return loss_.wanted(); }
  Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps) override;
  Loss loss(const Step& step) override { return loss_(step); }
  void deploy(Net& net) const override;
  State state() const override;
  void load(const State& state) override;
  std::map<std::string, Quantised> quantised(const Net& net) const;  // its masters on their levels, by name

 private:
  QuantisationPlan plan_;
  int64_t bucket_, visits_ = 0;
  bool stochastic_;
  DistillationLoss loss_;
};

// Algorithm 2, differentiable quantisation. The weights stay; every tensor's points learn, sorted again after each step.
class DifferentiableQuantisation : public Objective {
 public:
  struct Settings {
    int64_t bucket = 256;
    bool percentiles = true;  // where points start; evenly spaced otherwise
    double lr = 1e-5;         // of plain SGD on the points
  };
  DifferentiableQuantisation(QuantisationPlan plan, Settings settings, DistillationLoss loss);
  Wanted wanted() const override { return loss_.wanted(); }
  void setup(Trainer& trainer) override;
  Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps) override;
  Loss loss(const Step& step) override { return loss_(step); }
  void after_step(const Step& step) override;
  void deploy(Net& net) const override;
  std::map<std::string, Quantised> quantised(const Net& net) const;  // the weights of setup() on the present points, by name

 private:
  QuantisationPlan plan_;
  Settings settings_;
  DistillationLoss loss_;
  Net points_;  // one parameter a tensor
  std::vector<BucketScale> scales_;
  Tensors units_;  // of the fixed weights
};

// 2-norm of the loss's gradient at the net's weights, tensor by tensor, the mean over the first batches of the training part.
std::vector<double> gradient_norms(const ClassifierRun& classifier, const Net& net, const QuantisationPlan& plan,
                                   const DistillationLoss& loss, int64_t batches = 5);

}  // namespace retort::compress

// Optimisers over parameter groups: one fused pass over each group on CPU, state kept as flat tensors.
#pragma once

#include <string>
#include <vector>

#include "retort/base/checkpoint.h"
#include "retort/base/knobs.h"
#include "retort/nets/net.h"

namespace retort {

struct OptimiserKnobs {
  std::string optimiser = "adam";
  double lr = 1e-3, momentum = 0.9, weight_decay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  bool nesterov = false;
  void describe(Knobs& knobs);
};

// Parameters that share settings. `lr_scale` multiplies the scheduled learning rate. A parameter without a gradient stays as it is.
struct ParamGroup {
  std::string name;
  Tensors params;
  OptimiserKnobs settings;
  double lr_scale = 1;
};

// sgd, adam and adamw as in torch.optim (tests hold them equal to libtorch's to 1e-6).
class Optimiser {
 public:
  void add(ParamGroup group);
  std::vector<ParamGroup>& groups() { return groups_; }
  void zero_grad();
  // `lr_factor`: this step's factor of each group's own learning rate (the schedule). Tensors without a gradient are left alone.
  void step(double lr_factor);
  double clip_grad_norm(double max_norm);  // returns the norm before clipping, over all groups
  Tensors grads() const;                   // defined gradients, for all-reduce
  State state() const;
  void load(const State& state);

 private:
  struct Moments {
    Tensor first, second;  // momentum or first moment; second moment
    int64_t steps = 0;
  };
  std::vector<ParamGroup> groups_;
  std::vector<std::vector<Moments>> moments_;  // parallel to groups_
};

// The schedule's factor in [0, 1] at `step` of `total`.
struct ScheduleKnobs {
  std::string schedule = "cosine";
  double warmup = 0, gamma = 0.1, final_lr = 0;
  std::vector<double> milestones;
  void describe(Knobs& knobs);
  double factor(int64_t step, int64_t total) const;
};

}  // namespace retort

// Features of several teachers brought to one scale: every channel standardised by running statistics.
#pragma once

#include "retort/base/checkpoint.h"
#include "retort/base/process_group.h"

namespace retort {

// Channels are the last axis; statistics run over all others. Starts at mean 0 and deviation 1.
class RunningStandardiser {
 public:
  // `floor`: the smallest deviation, as a share of the mean deviation of all channels, that a channel is divided by: dead ones must not explode.
  explicit RunningStandardiser(int64_t channels, double eps = 1e-6, double floor = 0);
  // (x - mean) / (deviation + eps), with the statistics of before this batch. Carries no gradient.
  Tensor normalised(const Tensor& x) const;
  // mean <- (1-m) mean + m mean(x); deviation <- (1-m) deviation + m (std(x) + eps), unbiased, over the rows of all processes. Throws ConfigError for fewer than 2 rows.
  void update(const Tensor& x, double m, const ProcessGroup& group = {});
  const Tensor& mean() const { return mean_; }            // [channels]
  const Tensor& deviation() const { return deviation_; }  // [channels], with eps in it

  State state() const;
  void load(const State& state);
  void to(at::Device device);

 private:
  double eps_, floor_;
  Tensor mean_, deviation_;
};
// By its own statistics: (x - mean(x)) / (std(x) + eps).
Tensor batch_normalised(const Tensor& x, double eps = 1e-6);

}  // namespace retort

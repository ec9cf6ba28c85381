#include "retort/train/running_standardiser.h"

#include "retort/base/error.h"

namespace retort {
namespace {

struct Statistics {
  Tensor mean, deviation;
};

Statistics statistics_of(const Tensor& x, double eps) {
  const Tensor rows = x.detach().reshape({-1, x.size(-1)});
  if (rows.size(0) < 2)
    throw ConfigError(fmt::format("standardising features: {} row has no spread", rows.size(0)),
                      "use a larger batch, or train.drop_last = true when the last one is too small");
  const auto [deviation, mean] = at::std_mean(rows, at::IntArrayRef{0}, /*unbiased=*/true);
  return {mean, deviation + eps};
}

}  // namespace

RunningStandardiser::RunningStandardiser(int64_t channels, double eps, double floor)
    : eps_(eps), floor_(floor), mean_(at::zeros({channels})), deviation_(at::ones({channels})) {}

Tensor RunningStandardiser::normalised(const Tensor& x) const {
  Tensor divisor = deviation_ + eps_;
  if (floor_ > 0) divisor = at::maximum(divisor, floor_ * deviation_.mean());
  return (x.detach() - mean_) / divisor;
}

void RunningStandardiser::update(const Tensor& x, double m, const ProcessGroup& group) {
  const Tensor rows = x.detach().reshape({-1, x.size(-1)});
  const auto [mean, deviation] = statistics_of(group.size() > 1 ? group.all_gather_rows(rows) : rows, eps_);
  mean_ = (1 - m) * mean_ + m * mean;
  deviation_ = (1 - m) * deviation_ + m * deviation;
}

State RunningStandardiser::state() const {
  State state;
  state.tensors = {{"mean", mean_}, {"deviation", deviation_}};
  return state;
}
void RunningStandardiser::load(const State& state) {
  mean_ = state.tensor("mean").to(mean_.device());
  deviation_ = state.tensor("deviation").to(mean_.device());
}
void RunningStandardiser::to(at::Device device) {
  mean_ = mean_.to(device);
  deviation_ = deviation_.to(device);
}

Tensor batch_normalised(const Tensor& x, double eps) {
  const auto [mean, deviation] = statistics_of(x, eps);
  return (x.detach() - mean) / deviation;
}

}  // namespace retort

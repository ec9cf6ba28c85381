#include "retort/data/renormalisation.h"

namespace retort {

Renormalisation::Renormalisation(const InputSpec& given, const InputSpec& own) {
  const auto channels = static_cast<size_t>(given.images() ? given.shape[given.shape.size() - 3] : given.shape[0]);
  const auto list = [&](const std::vector<double>& values, double otherwise) {
    return values.empty() ? std::vector<double>(channels, otherwise) : values;
  };
  const auto mean = list(given.mean, 0), deviation = list(given.deviation, 1), own_mean = list(own.mean, 0),
             own_deviation = list(own.deviation, 1);
  std::vector<double> scale, shift;
  for (size_t c = 0; c < channels; ++c) {
    scale.push_back(deviation[c] / own_deviation[c]);
    shift.push_back((mean[c] - own_mean[c]) / own_deviation[c]);
  }
  std::vector<int64_t> shape(given.shape.size() + 1, 1);
  shape[given.images() ? shape.size() - 3 : 1] = static_cast<int64_t>(channels);
  scale_ = at::tensor(scale, at::kFloat).view(shape);
  shift_ = at::tensor(shift, at::kFloat).view(shape);
}

}  // namespace retort

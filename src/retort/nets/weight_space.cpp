#include "retort/nets/weight_space.h"

#include "retort/base/error.h"

namespace retort {

Net weighted_sum(const std::vector<std::pair<double, const Net*>>& terms) {
  if (terms.empty()) throw ConfigError("weighted_sum: of no nets");
  Net net = terms.front().second->clone();
  const at::NoGradGuard no_grad;
  for (size_t t = 0; t < terms.size(); ++t) {
    const auto& [weight, term] = terms[t];
    if (term->params().size() != net.params().size()) throw ConfigError("weighted_sum: nets of different architectures");
    for (size_t i = 0; i < net.params().size(); ++i) {
      Tensor param = net.params()[i];
      if (t == 0)
        param.mul_(weight);
      else
        param.add_(term->params()[i], weight);
    }
  }
  return net;
}

void refit_statistics(Net& net, const Tensor& inputs, int64_t batch) {
  constexpr int64_t kBatches = 60;  // with a share of 0.1 a batch, what was there before counts less than 0.2 % afterwards
  const at::NoGradGuard no_grad;
  if (!net.buffers().empty()) {
    net.train(true);
    const int64_t n = inputs.size(0), size = std::min(batch, n);
    for (int64_t i = 0, first = 0; i < kBatches; ++i, first += size) {
      if (first + size > n) first = 0;
      net.forward(inputs.slice(0, first, first + size));
    }
  }
  net.train(false);
}

}  // namespace retort

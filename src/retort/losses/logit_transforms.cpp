#include "retort/losses/logit_transforms.h"

#include "retort/losses/checks.h"

namespace retort::losses {
namespace {

Tensor standardised(const char* operation, const Tensor& logits, int64_t dim, double eps) {
  check_pair(operation, logits, logits);
  const auto [variance, mean] = at::var_mean(logits, at::IntArrayRef{dim}, /*unbiased=*/false, /*keepdim=*/true);
  return (logits - mean) / (variance + eps).sqrt();
}

}  // namespace

Tensor standardised_by_class(const Tensor& logits, double eps) { return standardised("standardised_by_class", logits, 0, eps); }

Tensor standardised_by_sample(const Tensor& logits, double eps) { return standardised("standardised_by_sample", logits, 1, eps); }

}  // namespace retort::losses

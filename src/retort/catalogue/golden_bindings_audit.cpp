// Audits of black boxes by transparent students.
#include "retort/catalogue/golden_bindings.h"
#include "retort/stats/inference.h"

namespace retort {
namespace {

std::vector<double> numbers_of(const Tensor& values) {
  const Tensor wide = values.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

TensorMap residual_correlation(const GoldenCase& c) {
  const CorrelationTest test = correlation_test(numbers_of(c["residual_score"]), numbers_of(c["residual_outcome"]), c.number("level"));
  return {{"pearson", torch::tensor(test.pearson)},   {"pearson_p", torch::tensor(test.p)},
          {"ci_low", torch::tensor(test.low)},        {"ci_high", torch::tensor(test.high)},
          {"spearman", torch::tensor(test.spearman)}, {"kendall_tau_b", torch::tensor(test.kendall)}};
}

}  // namespace

GoldenTable audit_bindings() {
  return {
      {"distill-compare.residual_correlation", {residual_correlation}},
  };
}

}  // namespace retort

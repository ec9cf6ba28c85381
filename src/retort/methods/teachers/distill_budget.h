// 54 Distilling from similar tasks: a few labels choose among models of other tasks, and unlabelled samples carry what those know.  arXiv 2304.12314
#pragma once

#include "retort/train/method.h"

namespace retort::teachers {

// Step 5: lambda * label_loss + (1 - lambda) * sum_s weight_s * CE(softmax(f_s / T), softmax(g_s / T)); f_s, g_s: [batch, classes of source s].
struct SourceTerm {
  std::string name;
  double weight;
  Tensor head, source;  // g_s of the student, f_s of the source
};
Loss budget_loss(const Tensor& label_loss, const std::vector<SourceTerm>& terms, double lambda, double temperature);

Method distill_budget();

}  // namespace retort::teachers

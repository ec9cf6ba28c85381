// What every loss asks of its inputs before it computes. Each refusal names the operation, what it expected and what it received.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// Throws ConfigError unless both are [batch, classes] of the same shape.
void check_pair(const char* operation, const Tensor& student, const Tensor& teacher);
// Throws ConfigError unless logits are [batch, classes] and labels [batch] int64, DataError for a label outside [0, classes) that is not -1.
// Returns how many rows are labelled.
int64_t check_labels(const char* operation, const Tensor& logits, const Tensor& labels);
// Throws ConfigError unless above 0.
void check_temperature(const char* operation, double temperature);
std::string shape_text(const Tensor& tensor);  // "[64, 10]"

}  // namespace retort::losses

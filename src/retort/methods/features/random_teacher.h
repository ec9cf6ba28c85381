// A network that never learnt anything as teacher: what its student gains is the training's own doing.  Sarnthein et al. 2023, arXiv 2302.12091
#pragma once

#include "retort/train/method.h"

namespace retort::features {

Method random_teacher();

// Where the student starts: the teacher and another draw of its architecture, mixed so that the variance of drawn weights stays,
//   ((1-alpha) teacher + alpha other) / sqrt((1-alpha)^2 + alpha^2)          alpha 0: a copy; 1: independent
//   (teacher + epsilon other) / sqrt(1 + epsilon^2)                          the "neighbourhood" form
// Parameters that every draw starts alike (biases at 0, scales at 1) stay as they are.
Net interpolated_start(const Net& teacher, const Net& other, double alpha);
Net neighbouring_start(const Net& teacher, const Net& other, double epsilon);

// Mean of -sum_k softmax(teacher / T_t)_k log softmax(student / T_s)_k; no centring, no T^2. [b, k] each; the teacher carries no gradient.
Tensor head_cross_entropy(const Tensor& student, const Tensor& teacher, double student_temperature, double teacher_temperature);

}  // namespace retort::features

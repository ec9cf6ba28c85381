// 37 BCKD: a dense detector distilled by the rules that detectors score with: independent sigmoids, and boxes.  Yang et al. 2023, arXiv 2308.14286
#pragma once

#include "retort/train/method.h"

namespace retort::dense {

// Each class of each location is a binary problem: sum_c |q - p|^beta BCE(p, q) with p, q the sigmoids of student and teacher; the factor carries
// gradient, the teacher none. beta 0 leaves plain BCE, whose least value is the teacher's entropy; otherwise it is 0 where p = q. [n, classes] -> [n]
// Throws ConfigError for other locations or classes (one class more: a softmax head with a background class).
Tensor binary_rows(const Tensor& student, const Tensor& teacher, double beta = 1);
// w = max_c |q - p| of each location, without gradient. [n]
Tensor difference_weights(const Tensor& student, const Tensor& teacher);
// The baseline: T^2 KL over the classes of each location, blind to absolute scores. [n]
Tensor softmax_rows(const Tensor& student, const Tensor& teacher, double temperature = 1);

// L_cls: sum of m * rows / positives. mask: [n], 1 where a location counts.
Tensor classification_loss(const Tensor& rows, const Tensor& mask, double positives);
// L_loc: sum of w (1 - GIoU(student, teacher)) / positives; weights without gradient, boxes [n, 4].
Tensor localisation_loss(const Tensor& student_boxes, const Tensor& teacher_boxes, const Tensor& weights, double positives);

Method bckd();

}  // namespace retort::dense

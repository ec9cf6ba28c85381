// Boxes and the losses of dense detectors. A box is x1, y1, x2, y2; boxes are [n, 4]. Rows are never averaged here: a detector divides sums by its
// number of positive locations.
#pragma once

#include "retort/base/tensor.h"

namespace retort::losses {

// Throws ConfigError unless both are [n, 4] with as many rows, DataError for a box with x2 < x1 or y2 < y1.
void check_boxes(const char* operation, const Tensor& a, const Tensor& b);

Tensor iou_rows(const Tensor& a, const Tensor& b);    // [n, 4] each -> [n]; 0 where both are empty
Tensor iou_matrix(const Tensor& a, const Tensor& b);  // [n, 4], [m, 4] -> [n, m]
// IoU minus the share of the smallest enclosing box that neither covers, in (-1, 1] (Rezatofighi et al. 2019). [n]
Tensor giou_rows(const Tensor& a, const Tensor& b, double eps = 1e-7);

// centres [n, 2], distances [..., n, 4] to the left, upper, right and lower side -> boxes [..., n, 4].
Tensor boxes_around(const Tensor& centres, const Tensor& distances);

// -t log p - (1 - t) log(1 - p) of each element, from logits.
Tensor sigmoid_cross_entropy(const Tensor& logits, const Tensor& targets);
// |t - p|^beta BCE(p, t) of each element, t in [0, 1]: quality focal loss (Li et al. 2020).
Tensor quality_focal(const Tensor& logits, const Tensor& targets, double beta = 2);

}  // namespace retort::losses

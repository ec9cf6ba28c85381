// What a detector is worth: average precision as the COCO evaluation defines it, and non-maximum suppression.
#pragma once

#include <vector>

#include "retort/base/tensor.h"

namespace retort {

// Of one image. boxes: [m, 4] x1, y1, x2, y2; classes: [m] int64; scores: [m].
struct FoundBoxes {
  Tensor boxes, scores, classes;
};
struct TrueBoxes {
  Tensor boxes, classes;
};

// Keeps, class by class, the highest score of every group of boxes that overlap by more than `iou`: positions, in order of falling score.
Tensor non_maximum_suppression(const FoundBoxes& found, double iou);

// Area under the precision-recall curve of detections in order of falling score, `hit[i]` whether detection i found one of `truths` objects: the
// largest precision at or beyond each recall 0, 0.01 … 1, averaged over these 101 points; 0 without detections.
double interpolated_precision(const std::vector<bool>& hit, int64_t truths);

// Averages over classes that have objects; -1 where none has. A detection, best score first, takes the free object of its class in its image that it
// overlaps most, if by at least the threshold; ap averages over thresholds 0.50, 0.55 … 0.95. At most 100 detections of a class in an image count.
struct AveragePrecision {
  double ap = -1, ap50 = -1, ap75 = -1;
  std::vector<double> class_ap, class_ap50;  // -1 for a class without objects
};
// One entry an image in both lists. Throws ConfigError for lists of different lengths, DataError for a class outside [0, classes).
AveragePrecision average_precision(const std::vector<FoundBoxes>& found, const std::vector<TrueBoxes>& truth, int64_t classes);

}  // namespace retort

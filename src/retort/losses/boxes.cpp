#include "retort/losses/boxes.h"

#include "retort/base/error.h"
#include "retort/losses/checks.h"

namespace retort::losses {
namespace {

Tensor areas(const Tensor& boxes) { return (boxes.select(-1, 2) - boxes.select(-1, 0)) * (boxes.select(-1, 3) - boxes.select(-1, 1)); }

// Area that both cover, for any shapes that broadcast; boxes are the last dimension.
Tensor shared_area(const Tensor& a, const Tensor& b) {
  const Tensor low = at::maximum(a.slice(-1, 0, 2), b.slice(-1, 0, 2)), high = at::minimum(a.slice(-1, 2, 4), b.slice(-1, 2, 4));
  const Tensor side = (high - low).clamp_min(0);
  return side.select(-1, 0) * side.select(-1, 1);
}

Tensor iou(const Tensor& a, const Tensor& b, double eps) {
  const Tensor both = shared_area(a, b);
  return both / (areas(a) + areas(b) - both).clamp_min(eps);
}

}  // namespace

void check_boxes(const char* operation, const Tensor& a, const Tensor& b) {
  const auto are_boxes = [](const Tensor& boxes) { return boxes.defined() && boxes.dim() == 2 && boxes.size(1) == 4; };
  if (!are_boxes(a) || !are_boxes(b) || a.size(0) != b.size(0)) {
    throw ConfigError(fmt::format("{}: expected two [n, 4] tensors of boxes, received {} and {}", operation, shape_text(a), shape_text(b)),
                      "teacher and student must predict a box at the same locations");
  }
  for (const Tensor* boxes : {&a, &b}) {
    const Tensor held = boxes->detach(), turned = (held.slice(1, 2, 4) < held.slice(1, 0, 2)).any(1);
    if (!turned.any().item<bool>()) continue;
    throw DataError(
        fmt::format("{}: box {} has its right or lower side before its left or upper one", operation, turned.nonzero()[0].item<int64_t>()),
        "boxes are x1, y1, x2, y2");
  }
}

Tensor iou_rows(const Tensor& a, const Tensor& b) {
  check_boxes("iou", a, b);
  return iou(a, b, 1e-12);
}

Tensor iou_matrix(const Tensor& a, const Tensor& b) { return iou(a.unsqueeze(1), b.unsqueeze(0), 1e-12); }

Tensor giou_rows(const Tensor& a, const Tensor& b, double eps) {
  check_boxes("giou", a, b);
  const Tensor both = shared_area(a, b), either = (areas(a) + areas(b) - both).clamp_min(eps);
  const Tensor side = at::maximum(a.slice(1, 2, 4), b.slice(1, 2, 4)) - at::minimum(a.slice(1, 0, 2), b.slice(1, 0, 2));
  const Tensor around = (side.select(1, 0) * side.select(1, 1)).clamp_min(eps);
  return both / either - (around - either) / around;
}

Tensor boxes_around(const Tensor& centres, const Tensor& distances) {
  return at::cat({centres - distances.slice(-1, 0, 2), centres + distances.slice(-1, 2, 4)}, -1);
}

Tensor sigmoid_cross_entropy(const Tensor& logits, const Tensor& targets) {
  return at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::None);
}

Tensor quality_focal(const Tensor& logits, const Tensor& targets, double beta) {
  return (targets - at::sigmoid(logits)).abs().pow(beta) * sigmoid_cross_entropy(logits, targets);
}

}  // namespace retort::losses

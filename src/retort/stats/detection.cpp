#include "retort/stats/detection.h"

#include "retort/base/error.h"
#include "retort/losses/boxes.h"

namespace retort {
namespace {

constexpr int64_t kMostPerClass = 100;
constexpr int kThresholds = 10;  // 0.50, 0.55 … 0.95

double threshold(int index) { return 0.5 + 0.05 * index; }

// Detections of one class, over all images.
struct Scored {
  double score;
  std::array<bool, kThresholds> hit;
};

Tensor rows_of(const Tensor& classes, int64_t wanted) { return at::nonzero(classes == wanted).squeeze(1); }

// Detections of one class in one image against its objects; overlaps: [detections in order of falling score, objects].
void match(const Tensor& scores, const Tensor& overlaps, std::vector<Scored>& all) {
  const auto overlap = overlaps.accessor<double, 2>();
  const double* score = scores.data_ptr<double>();
  std::vector<std::array<bool, kThresholds>> taken(static_cast<size_t>(overlaps.size(1)));
  for (int64_t d = 0; d < overlaps.size(0); ++d) {
    Scored scored{score[d], {}};
    for (int t = 0; t < kThresholds; ++t) {
      int64_t best = -1;
      double most = threshold(t) - 1e-10;
      for (int64_t o = 0; o < overlaps.size(1); ++o) {
        if (taken[static_cast<size_t>(o)][static_cast<size_t>(t)] || overlap[d][o] < most) continue;
        most = overlap[d][o];
        best = o;
      }
      if (best < 0) continue;
      scored.hit[static_cast<size_t>(t)] = taken[static_cast<size_t>(best)][static_cast<size_t>(t)] = true;
    }
    all.push_back(scored);
  }
}

void check_classes(const Tensor& found, int64_t classes) {
  if (found.numel() == 0) return;
  const int64_t least = found.min().item<int64_t>(), most = found.max().item<int64_t>();
  if (least < 0 || most >= classes)
    throw DataError(fmt::format("average_precision: class {} is outside [0, {})", least < 0 ? least : most, classes),
                    "boxes that only pad must be left out");
}

}  // namespace

Tensor non_maximum_suppression(const FoundBoxes& found, double iou) {
  const Tensor order = found.scores.argsort(0, /*descending=*/true), boxes = found.boxes.index_select(0, order).to(at::kDouble),
               classes = found.classes.index_select(0, order);
  const Tensor clash = ((losses::iou_matrix(boxes, boxes) > iou) & (classes.unsqueeze(1) == classes.unsqueeze(0))).contiguous();
  const int64_t count = order.numel();
  const bool* clashes = clash.data_ptr<bool>();
  std::vector<int64_t> kept;
  std::vector<bool> gone(static_cast<size_t>(count), false);
  for (int64_t i = 0; i < count; ++i) {
    if (gone[static_cast<size_t>(i)]) continue;
    kept.push_back(i);
    for (int64_t j = i + 1; j < count; ++j)
      if (clashes[i * count + j]) gone[static_cast<size_t>(j)] = true;
  }
  return order.index_select(0, at::tensor(kept, at::kLong));
}

double interpolated_precision(const std::vector<bool>& hit, int64_t truths) {
  if (truths < 1) throw ConfigError(fmt::format("interpolated_precision: {} objects, expected at least 1", truths));
  std::vector<double> precision, recall;
  double hits = 0;
  for (size_t i = 0; i < hit.size(); ++i) {
    hits += hit[i];
    precision.push_back(hits / static_cast<double>(i + 1));
    recall.push_back(hits / static_cast<double>(truths));
  }
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (int point = 0; point <= 100; ++point) {
    const auto at = static_cast<size_t>(std::lower_bound(recall.begin(), recall.end(), 0.01 * point) - recall.begin());
    if (at < precision.size()) sum += precision[at];
  }
  return sum / 101;
}

AveragePrecision average_precision(const std::vector<FoundBoxes>& found, const std::vector<TrueBoxes>& truth, int64_t classes) {
  if (found.size() != truth.size())
    throw ConfigError(fmt::format("average_precision: detections in {} images, objects in {}", found.size(), truth.size()),
                      "one entry an image in both");
  for (size_t i = 0; i < found.size(); ++i) check_classes(found[i].classes, classes), check_classes(truth[i].classes, classes);
  AveragePrecision result;
  double ap = 0, ap50 = 0, ap75 = 0, counted = 0;
  for (int64_t c = 0; c < classes; ++c) {
    std::vector<Scored> all;
    int64_t objects = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      const Tensor ours = rows_of(found[i].classes, c), theirs = rows_of(truth[i].classes, c);
      objects += theirs.numel();
      if (ours.numel() == 0) continue;
      const Tensor scores = found[i].scores.index_select(0, ours).to(at::kDouble);
      const Tensor order = std::get<1>(scores.sort(/*stable=*/true, 0, /*descending=*/true)).slice(0, 0, kMostPerClass);
      const Tensor boxes = found[i].boxes.index_select(0, ours.index_select(0, order)).to(at::kDouble),
                   objects_here = truth[i].boxes.index_select(0, theirs).to(at::kDouble);
      match(scores.index_select(0, order).contiguous(), losses::iou_matrix(boxes, objects_here).contiguous(), all);
    }
    result.class_ap.push_back(-1);
    result.class_ap50.push_back(-1);
    if (objects == 0) continue;
    std::stable_sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
    std::array<double, kThresholds> at_threshold{};
    for (int t = 0; t < kThresholds; ++t) {
      std::vector<bool> hit;
      for (const Scored& one : all) hit.push_back(one.hit[static_cast<size_t>(t)]);
      at_threshold[static_cast<size_t>(t)] = interpolated_precision(hit, objects);
    }
    result.class_ap50.back() = at_threshold[0];
    result.class_ap.back() = std::accumulate(at_threshold.begin(), at_threshold.end(), 0.0) / kThresholds;
    ap += result.class_ap.back(), ap50 += at_threshold[0], ap75 += at_threshold[5], ++counted;
  }
  if (counted > 0) result.ap = ap / counted, result.ap50 = ap50 / counted, result.ap75 = ap75 / counted;
  return result;
}

}  // namespace retort

#include "retort/stats/detection.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor boxes_of(const std::vector<float>& sides) { return at::tensor(sides).view({-1, 4}); }
FoundBoxes found(const std::vector<float>& sides, const std::vector<float>& scores, const std::vector<int64_t>& classes) {
  return {boxes_of(sides), at::tensor(scores), at::tensor(classes, at::kLong)};
}
TrueBoxes truth(const std::vector<float>& sides, const std::vector<int64_t>& classes) {
  return {boxes_of(sides), at::tensor(classes, at::kLong)};
}
FoundBoxes nothing() { return {at::empty({0, 4}), at::empty({0}), at::empty({0}, at::kLong)}; }

TEST(Detection, InterpolatedPrecisionByHand) {
  // hit, miss, hit of two objects: precision 1, 1/2, 2/3 becomes 1, 2/3, 2/3 at recalls 1/2, 1/2, 1: 51 points at 1, 50 at 2/3.
  EXPECT_NEAR(interpolated_precision({true, false, true}, 2), (51 + 50 * 2.0 / 3) / 101, 1e-12);
  EXPECT_DOUBLE_EQ(interpolated_precision({true, true}, 2), 1);
  // Half of the objects are never found: 51 of 101 points.
  EXPECT_NEAR(interpolated_precision({true}, 2), 51.0 / 101, 1e-12);
  EXPECT_DOUBLE_EQ(interpolated_precision({false, true}, 1), 0.5);
  EXPECT_EQ(interpolated_precision({}, 3), 0);
  EXPECT_THROW(interpolated_precision({true}, 0), ConfigError);
}

TEST(Detection, ThresholdsByHand) {
  // One object, one detection that overlaps it by 0.6: found at 0.50, 0.55 and 0.60 of ten thresholds.
  const auto ap = average_precision({found({0, 0, 10, 6}, {0.9F}, {0})}, {truth({0, 0, 10, 10}, {0})}, 1);
  EXPECT_NEAR(ap.ap, 0.3, 1e-12);
  EXPECT_DOUBLE_EQ(ap.ap50, 1);
  EXPECT_DOUBLE_EQ(ap.ap75, 0);
}

TEST(Detection, PerfectDetectionsScoreOne) {
  const std::vector<float> sides = {0, 0, 10, 10, 20, 0, 28, 12};
  const auto ap = average_precision({found(sides, {0.2F, 0.9F}, {1, 0}), nothing()}, {truth(sides, {1, 0}), truth({}, {})}, 3);
  EXPECT_DOUBLE_EQ(ap.ap, 1);
  EXPECT_EQ(ap.class_ap, (std::vector<double>{1, 1, -1})) << "a class without objects does not count";
}

TEST(Detection, AnObjectIsFoundOnce) {
  // Twice the same object: the second detection is a miss, though behind the hit it costs nothing; before it, it halves the precision.
  const auto behind = average_precision({found({0, 0, 10, 10, 0, 0, 10, 10}, {0.9F, 0.8F}, {0, 0})}, {truth({0, 0, 10, 10}, {0})}, 1);
  EXPECT_DOUBLE_EQ(behind.ap50, 1);
  const auto other = average_precision({found({0, 0, 10, 10, 0, 0, 10, 10, 30, 30, 40, 40}, {0.9F, 0.8F, 0.7F}, {0, 0, 0})},
                                       {truth({0, 0, 10, 10, 30, 30, 40, 40}, {0, 0})}, 1);
  EXPECT_NEAR(other.ap50, (51 + 50 * 2.0 / 3) / 101, 1e-12);
}

TEST(Detection, TheLargestOverlapIsTaken) {
  // Both objects overlap the first detection by more than half; it takes the nearer, so that the second still finds the other.
  const auto ap = average_precision({found({0, 0, 10, 10, 0, 2, 10, 12}, {0.9F, 0.8F}, {0, 0})},
                                    {truth({0, 2, 10, 12, 0, 0, 10, 10}, {0, 0})}, 1);
  EXPECT_DOUBLE_EQ(ap.ap, 1);
}

TEST(Detection, ClassesAndImagesStandApart) {
  const auto wrong_class = average_precision({found({0, 0, 10, 10}, {0.9F}, {1})}, {truth({0, 0, 10, 10}, {0})}, 2);
  EXPECT_DOUBLE_EQ(wrong_class.ap50, 0);
  const auto wrong_image = average_precision({found({0, 0, 10, 10}, {0.9F}, {0}), nothing()}, {truth({}, {}), truth({0, 0, 10, 10}, {0})},
                                             1);
  EXPECT_DOUBLE_EQ(wrong_image.ap50, 0);
  // Scores are ordered over images: a sure miss in one image stands before the hit in the other.
  const auto across = average_precision({found({50, 50, 60, 60}, {0.9F}, {0}), found({0, 0, 10, 10}, {0.8F}, {0})},
                                        {truth({}, {}), truth({0, 0, 10, 10}, {0})}, 1);
  EXPECT_DOUBLE_EQ(across.ap50, 0.5);
}

TEST(Detection, NothingToFindIsNoScore) { EXPECT_EQ(average_precision({nothing()}, {truth({}, {})}, 2).ap, -1); }

TEST(Detection, AHundredOfAClassCountInAnImage) {
  std::vector<float> sides, scores;
  for (int i = 0; i < 101; ++i) {
    const auto at = static_cast<float>(i < 100 ? 100 + 20 * i : 0);
    sides.insert(sides.end(), {at, 0, at + 10, 10});
    scores.push_back(1 - 0.001F * static_cast<float>(i));
  }
  EXPECT_EQ(average_precision({found(sides, scores, std::vector<int64_t>(101, 0))}, {truth({0, 0, 10, 10}, {0})}, 1).ap50, 0)
      << "the only hit comes 101st";
}

TEST(Detection, SuppressionKeepsTheBestOfAGroup) {
  const FoundBoxes all = found({0, 0, 10, 10, 1, 0, 11, 10, 0, 0, 10, 10, 30, 0, 40, 10}, {0.5F, 0.9F, 0.7F, 0.1F}, {0, 0, 1, 0});
  EXPECT_TRUE(non_maximum_suppression(all, 0.5).equal(at::tensor({1, 2, 3}, at::kLong))) << "another class, and another place, stay";
  EXPECT_EQ(non_maximum_suppression(all, 0.9).numel(), 4);
  EXPECT_EQ(non_maximum_suppression(nothing(), 0.5).numel(), 0);
}

TEST(Detection, RefusesWhatDoesNotFit) {
  EXPECT_EQ(caught<ConfigError>([] { average_precision({nothing()}, {}, 1); }).line,
            "average_precision: detections in 1 images, objects in 0");
  EXPECT_EQ(caught<DataError>([] {
              average_precision({nothing()}, {truth({0, 0, 1, 1}, {-1})}, 1);
            }).line,
            "average_precision: class -1 is outside [0, 1)");
}

}  // namespace
}  // namespace retort

#include "retort/losses/boxes.h"

#include "tests/support.h"

namespace retort::losses {
namespace {

Tensor box(std::vector<double> sides) { return at::tensor(sides, at::kDouble).view({-1, 4}); }

TEST(Boxes, IouByHand) {
  EXPECT_TRUE(iou_rows(box({0, 0, 10, 10, 0, 0, 2, 2}), box({0, 0, 10, 6, 1, 1, 3, 3})).allclose(at::tensor({0.6, 1.0 / 7}, at::kDouble)));
  EXPECT_TRUE(iou_matrix(box({0, 0, 2, 2}), box({0, 0, 2, 2, 5, 5, 6, 6, 0, 0, 1, 2}))
                  .allclose(at::tensor({1.0, 0.0, 0.5}, at::kDouble).view({1, 3})));
  EXPECT_EQ(iou_rows(box({1, 1, 1, 1}), box({1, 1, 1, 1}))[0].item<double>(), 0) << "boxes without area";
}

TEST(Boxes, GiouOfUnitSquaresSideBySide) {
  for (const double gap : {0.0, 0.5, 3.0})
    EXPECT_NEAR(giou_rows(box({0, 0, 1, 1}), box({1 + gap, 0, 2 + gap, 1}))[0].item<double>(), -gap / (2 + gap), 1e-12);
  EXPECT_EQ(giou_rows(box({0, 0, 3, 2}), box({0, 0, 3, 2}))[0].item<double>(), 1);
}

TEST(Boxes, GiouPullsDisjointBoxesTogether) {
  const Tensor a = box({0, 0, 1, 1}).requires_grad_(true);
  (1 - giou_rows(a, box({3, 0, 4, 1}))).sum().backward();
  EXPECT_LT(a.grad()[0][2].item<double>(), 0) << "the right side moves right";
}

TEST(Boxes, AreMadeAroundCentres) {
  EXPECT_TRUE(boxes_around(at::tensor({10.0, 20.0}, at::kDouble).view({1, 2}), at::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble).view({1, 4}))
                  .equal(box({9, 18, 13, 24})));
}

TEST(Boxes, QualityFocalByHand) {
  const double p = 1 / (1 + std::exp(-0.4)), t = 0.9, bce = -t * std::log(p) - (1 - t) * std::log(1 - p);
  const Tensor logit = at::tensor({0.4}, at::kDouble), target = at::tensor({t}, at::kDouble);
  EXPECT_NEAR(sigmoid_cross_entropy(logit, target).item<double>(), bce, 1e-12);
  EXPECT_NEAR(quality_focal(logit, target).item<double>(), (t - p) * (t - p) * bce, 1e-12);
  EXPECT_NEAR(quality_focal(logit, at::tensor({p}, at::kDouble)).item<double>(), 0, 1e-12);
}

TEST(Boxes, RefuseTurnedAndUnequalOnes) {
  EXPECT_EQ(caught<DataError>([] {
              giou_rows(box({0, 0, 1, 1, 5, 0, 4, 1}), box({0, 0, 1, 1, 0, 0, 1, 1}));
            }).line,
            "giou: box 1 has its right or lower side before its left or upper one");
  EXPECT_EQ(caught<ConfigError>([] {
              iou_rows(box({0, 0, 1, 1}), box({0, 0, 1, 1, 0, 0, 1, 1}));
            }).line,
            "iou: expected two [n, 4] tensors of boxes, received [1, 4] and [2, 4]");
}

}  // namespace
}  // namespace retort::losses

#include "retort/train/detector.h"

#include "tests/support.h"

namespace retort {
namespace {

DenseGrid grid_of(const std::string& name) { return dense_grid(make_dense_net(name, {1, 48, 48}, 10, Seed(1))); }

Tensor boxes_of(const std::vector<float>& rows) { return at::tensor(rows).view({1, -1, 5}); }

TEST(DenseTargets, TheCentralHalfIsPositive) {
  const DenseGrid grid = grid_of("dense-4-4-4-s8");  // centres 4, 12, 20 … 44
  // Central half of [0, 32] x [0, 16]: 8 … 24 by 4 … 12: x 12 and 20, y 4 and 12.
  const DenseTargets targets = dense_targets(boxes_of({0, 0, 32, 16, 3, 0, 0, 0, 0, -1}), grid);
  EXPECT_EQ(targets.positives, 4);
  EXPECT_TRUE(grid.centres.index_select(0, targets.positive[0].nonzero().squeeze(1))
                  .equal(at::tensor({12.0F, 4.0F, 20.0F, 4.0F, 12.0F, 12.0F, 20.0F, 12.0F}).view({4, 2})));
  EXPECT_TRUE(targets.boxes[0][1].equal(at::tensor({0.0F, 0.0F, 32.0F, 16.0F})));
  EXPECT_EQ(targets.classes[0][1].item<int64_t>(), 3);
  EXPECT_EQ(targets.classes[0][0].item<int64_t>(), -1);
}

TEST(DenseTargets, TheSmallestBoxWins) {
  const DenseTargets targets = dense_targets(boxes_of({0, 0, 48, 48, 1, 8, 8, 32, 32, 2}), grid_of("dense-4-4-4-s8"));
  EXPECT_EQ(targets.classes[0][2 * 6 + 2].item<int64_t>(), 2) << "the location at 20, 20";
  EXPECT_EQ(targets.classes[0][4 * 6 + 4].item<int64_t>(), 1) << "36, 36 is in the large one alone";
}

TEST(DenseTargets, NoBoxGoesWithout) {
  const DenseGrid grid = grid_of("dense-4-4-4");  // 2, 6, 10 … on the finest level
  const DenseTargets targets = dense_targets(boxes_of({11, 0, 14, 40, 7}),
                                             grid);  // 11.75 … 13.25 holds no centre of stride 4, but 12 of stride 8
  EXPECT_GT(targets.positives, 0);
  const DenseTargets thin = dense_targets(boxes_of({15, 2, 18, 8, 7}), grid);  // 15.75 … 17.25 and 3.5 … 6.5
  EXPECT_EQ(thin.positives, 1);
  EXPECT_TRUE(grid.centres[thin.positive[0].nonzero()[0].item<int64_t>()].equal(at::tensor({14.0F, 6.0F})) ||
              grid.centres[thin.positive[0].nonzero()[0].item<int64_t>()].equal(at::tensor({18.0F, 6.0F})));
}

TEST(DenseTargets, AnEmptyCanvasCountsAsOne) {
  const DenseTargets targets = dense_targets(boxes_of({0, 0, 0, 0, -1}), grid_of("dense-4-4-4"));
  EXPECT_FALSE(targets.positive.any().item<bool>());
  EXPECT_EQ(targets.positives, 1);
}

TEST(Detector, TrueBoxesLeaveThePadding) {
  DataKnobs knobs;
  knobs.source = "world:canvas,rows=20,test_rows=5";
  const Dataset data = load_splits(knobs, Seed(1)).train;
  const auto truth = true_boxes(data);
  ASSERT_EQ(truth.size(), 20u);
  for (const TrueBoxes& image : truth) {
    EXPECT_GE(image.classes.numel(), 1);
    EXPECT_GE(image.classes.min().item<int64_t>(), 0);
  }
}

TEST(Detector, DetectionsAreSortedFewAndApart) {
  const Net net = make_dense_net("dense-4-4-4", {1, 48, 48}, 3, Seed(1));
  const auto found = detect(net, at::empty({3, 1, 48, 48}).normal_(0, 1, Seed(2).generator()), /*least=*/0.0, /*overlap=*/0.5);
  ASSERT_EQ(found.size(), 3u);
  for (const FoundBoxes& image : found) {
    EXPECT_LE(image.scores.numel(), 100);
    EXPECT_TRUE((image.scores.slice(0, 1) <= image.scores.slice(0, 0, -1)).all().item<bool>());
    EXPECT_EQ(non_maximum_suppression(image, 0.5).numel(), image.scores.numel());
  }
  EXPECT_EQ(detect(net, at::zeros({1, 1, 48, 48}), /*least=*/0.9)[0].scores.numel(), 0);
}

}  // namespace
}  // namespace retort

#include "retort/nets/dense.h"

#include "retort/nets/model_file.h"
#include "tests/nets/support.h"

namespace retort {
namespace {

TEST(Dense, LocationsByHand) {
  const Net net = make_dense_net("dense-4-5-6", {1, 48, 48}, 10, Seed(1));
  const DenseGrid grid = dense_grid(net);
  ASSERT_EQ(grid.levels.size(), 2u);
  EXPECT_EQ(grid.levels[0].count, 144);
  EXPECT_EQ(grid.levels[1].count, 36);
  EXPECT_EQ(grid.levels[1].first, 144);
  EXPECT_TRUE(grid.centres[1].equal(at::tensor({6.0F, 2.0F}))) << "x runs first";
  EXPECT_TRUE(grid.centres[144].equal(at::tensor({4.0F, 4.0F})));
  EXPECT_EQ(net.forward(some_inputs({1, 48, 48}, 2)).sizes(), at::IntArrayRef({2, 180, 14}));
  EXPECT_EQ(dense_grid(make_dense_net("dense-4-5-6-s8", {1, 48, 48}, 10, Seed(1))).size(), 36);
}

TEST(Dense, EverySizeFitsItsGrid) {
  for (const int64_t side : {8, 17, 30, 64}) {
    const Net net = make_dense_net("dense-4-4-4", {3, side, side + 3}, 2, Seed(1));
    EXPECT_EQ(net.forward(some_inputs({3, side, side + 3}, 1)).size(1), dense_grid(net).size()) << side;
  }
}

TEST(Dense, ALocationSeesWhereItLies) {
  Net net = make_dense_net("dense-4-4-4", {1, 64, 64}, 2, Seed(1));
  net.train(false);
  const DenseGrid grid = dense_grid(net);
  Tensor canvas = at::zeros({1, 1, 64, 64});
  const Tensor before = net.forward(canvas);
  canvas[0][0][50][10] = 5;
  const Tensor moved = (net.forward(canvas) - before).abs().sum(2)[0].slice(0, 0, grid.levels[0].count);
  const Tensor most = grid.centres[moved.argmax().item<int64_t>()];
  EXPECT_LT((most - at::tensor({10.0F, 50.0F})).abs().max().item<double>(), 12);
}

TEST(Dense, BoxesLieAroundTheirLocations) {
  const DenseGrid grid = dense_grid(make_dense_net("dense-4-4-4-s8", {1, 16, 16}, 3, Seed(1)));
  Tensor raw = at::zeros({1, 4, 7});
  raw.slice(2, 3).fill_(std::log(std::exp(1.0) - 1));  // softplus gives 1: one stride
  const DenseOutput out = read_dense(raw, grid);
  EXPECT_TRUE(out.boxes[0][0].allclose(at::tensor({-4.0F, -4.0F, 12.0F, 12.0F})));
  EXPECT_EQ(out.logits.sizes(), at::IntArrayRef({1, 4, 3}));
}

TEST(Dense, BeginsWithNearlyNothing) {
  const Net net = make_dense_net("dense-4-5-6", {1, 48, 48}, 10, Seed(1));
  EXPECT_LT(at::sigmoid(net.forward(some_inputs({1, 48, 48}, 2)).slice(2, 0, 10)).mean().item<double>(), 0.05);
}

TEST(Dense, ComesBackFromItsFile) {
  Scratch scratch;
  Net net = make_dense_net("dense-4-5-6", {1, 48, 48}, 2, Seed(1));
  InputSpec spec;
  spec.shape = {1, 48, 48};
  spec.classes = {"a", "b"};
  save_model(scratch.file("student"), net, spec);
  const Model back = load_model(scratch.path());
  EXPECT_EQ(detected_classes(back.net), 2);
  net.train(false);
  Net held = back.net;
  held.train(false);
  const Tensor x = some_inputs({1, 48, 48}, 2);
  EXPECT_TRUE(held.forward(x).equal(net.forward(x)));
  EXPECT_LT((net.frozen().forward(x) - net.forward(x)).abs().max().item<double>(), 1e-4);
}

TEST(Dense, RefusesOtherNames) {
  EXPECT_EQ(caught<ConfigError>([] { make_dense_net("resnet8", {1, 48, 48}, 2, Seed(1)); }).line, "no detector is called 'resnet8'");
  EXPECT_EQ(caught<ConfigError>([] { make_dense_net("dense-4-4", {1, 48, 48}, 2, Seed(1)); }).line, "no detector is called 'dense-4-4'");
  EXPECT_EQ(caught<ConfigError>([] {
              dense_grid(make_net("mlp-4", {1, 8, 8}, 2, Seed(1)));
            }).line,
            "mlp-4 decides about whole images; it has no locations");
}

}  // namespace
}  // namespace retort

#include "retort/nets/quantiser.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kFloat).normal_(0, 1, Seed(seed).generator()); }

TEST(Quantiser, FourLevelsByHand) {
  // One bucket from -1 to 2: levels -1, 0, 1, 2. Halves go to the even level: 0.5 is halfway between levels 1 and 2.
  const Quantised q = quantise_uniform(at::tensor({-1.0F, 0.5F, 1.4F, 2.0F, -0.6F}), 4, 0);
  EXPECT_TRUE(q.values().allclose(at::tensor({-1.0F, 1.0F, 1.0F, 2.0F, -1.0F})));
  EXPECT_TRUE(q.indices.equal(at::tensor({0, 2, 2, 3, 0}, at::kLong)));
}

TEST(Quantiser, BucketsHaveTheirOwnScales) {
  const Quantised q = quantise_uniform(at::tensor({0.0F, 1.0F, 10.0F, 30.0F, 7.0F}), 2, 2);
  EXPECT_TRUE(q.scale.low.equal(at::tensor({0.0F, 10.0F, 7.0F})));
  EXPECT_TRUE(q.scale.alpha().equal(at::tensor({1.0, 20.0, 1.0}, at::kDouble))) << "a bucket of one value has alpha 1";
  EXPECT_TRUE(q.values().equal(at::tensor({0.0F, 1.0F, 10.0F, 30.0F, 7.0F})));
}

TEST(Quantiser, IsIdempotentBitForBit) {
  for (const int64_t levels : {2, 3, 4, 16, 256, 65536}) {
    const Tensor v = draws({7, 13}, 1), once = quantise_uniform(v, levels, 8).values(), twice = quantise_uniform(once, levels, 8).values();
    EXPECT_TRUE(once.equal(twice)) << levels;
    EXPECT_EQ(once.sizes(), v.sizes());
  }
}

TEST(Quantiser, SixteenBitsLeaveWeightsAlone) {
  const Tensor v = draws({64}, 2);
  const Quantised q = quantise_uniform(v, 65536, 16);
  const Tensor error = (q.values() - v).abs().view({4, 16}).amax(1).to(at::kDouble);
  EXPECT_TRUE((error <= q.scale.alpha() / 65535).all().item<bool>());
}

TEST(Quantiser, ABucketHasNoMoreValuesThanLevels) {
  const Tensor rows = quantise_uniform(draws({8, 50}, 3), 4, 50).values();
  for (int64_t row = 0; row < 8; ++row) EXPECT_LE(std::get<0>(at::_unique(rows[row])).numel(), 4);
}

TEST(Quantiser, StochasticRoundingIsRightOnAverage) {
  const Tensor v = at::cat({at::tensor({0.0F, 1.0F}), at::full({20000}, 0.3F)});
  at::Generator dice = Seed(4).generator();
  const Tensor q = quantise_uniform(v, 2, 0, &dice).values();
  EXPECT_NEAR(q.slice(0, 2).mean().item<double>(), 0.3, 0.02);
  EXPECT_EQ(q[0].item<float>(), 0);
  EXPECT_EQ(q[1].item<float>(), 1);
}

TEST(Quantiser, TheNearestPointAndTiesGoUp) {
  const Tensor points = at::tensor({0.0F, 0.5F, 1.0F});
  EXPECT_TRUE(
      nearest_points(at::tensor({0.0, 0.2, 0.25, 0.74, 0.75, 1.0}, at::kDouble), points).equal(at::tensor({0, 0, 1, 1, 2, 2}, at::kLong)));
}

TEST(Quantiser, GradientOfPointsIsThatOfFiniteDifferences) {
  const Tensor v = draws({23}, 5), weights = draws({23}, 6).to(at::kDouble);
  const BucketScale scale = bucket_scale(v, 6);
  const Tensor points = at::tensor({0.05, 0.3, 0.62, 0.97}, at::kDouble), assignment = nearest_points(to_unit(v, scale), points);
  // Squares, so that the gradient depends on the points; alpha comes in by the scale. In double up to the last rounding to float.
  const auto loss = [&](const Tensor& p) { return (on_points(assignment, p, scale).to(at::kDouble).square() * weights).sum(); };
  const Tensor leaf = points.clone().requires_grad_(true);
  loss(leaf).backward();
  for (int64_t j = 0; j < 4; ++j) {
    const double h = 1e-3;
    Tensor up = points.clone(), down = points.clone();
    up[j] += h;
    down[j] -= h;
    EXPECT_NEAR(leaf.grad()[j].item<double>(), (loss(up) - loss(down)).item<double>() / (2 * h), 2e-3);
  }
}

TEST(Quantiser, PointsStartAtPercentilesOrEvenly) {
  EXPECT_TRUE(percentile_points(at::tensor({1.0, 0.0, 0.1, 0.2, 0.4}, at::kDouble), 3).allclose(at::tensor({0.0F, 0.2F, 1.0F})));
  EXPECT_TRUE(percentile_points(at::tensor({0.0, 0.1, 0.4, 1.0}, at::kDouble), 3).allclose(at::tensor({0.0F, 0.25F, 1.0F})));
  EXPECT_TRUE(even_points(5).allclose(at::tensor({0.0F, 0.25F, 0.5F, 0.75F, 1.0F})));
}

TEST(Quantiser, EvenPointsAreUniformLevels) {
  const Tensor v = draws({40}, 7);
  EXPECT_TRUE(quantise_on_points(v, even_points(16), 10).values().allclose(quantise_uniform(v, 16, 10).values(), 0, 1e-6));
}

TEST(Quantiser, GradientsPassStraightThrough) {
  const Tensor w = draws({6}, 8).requires_grad_(true), q = quantise_uniform(w, 2, 0).values();
  const Tensor through = straight_through(w, q);
  EXPECT_TRUE(through.detach().equal(q));
  (through * at::arange(6)).sum().backward();
  EXPECT_TRUE(w.grad().equal(at::arange(6).to(at::kFloat)));
}

TEST(Quantiser, SharesOutABudget) {
  EXPECT_EQ(share_out({1, 2, 3}, {4, 4, 4}, false), (std::vector<int64_t>{3, 4, 5}));
  // One bit to share between two equals: 0.5 is rounded to 0 twice, and the first of the smallest gets what is left over.
  EXPECT_EQ(share_out({1, 1}, {3, 2}, true), (std::vector<int64_t>{2, 3}))
      << "floors 1 and 1, 3 * 0.5 rounds to 2 twice; the first of the largest gives one back";
  EXPECT_EQ(share_out({0, 0}, {4, 4}, true), (std::vector<int64_t>{4, 4}));
}

TEST(Quantiser, RefusesWhatIsNoQuantisation) {
  const Tensor v = draws({6}, 9);
  EXPECT_EQ(caught<ConfigError>([&] { quantise_uniform(v, 1, 4); }).line, "quantiser: 1 levels, expected 2 to 65536");
  EXPECT_EQ(caught<ConfigError>([&] { quantise_uniform(v, 2, 1); }).line, "quantiser: buckets of 1, expected at least 2 entries");
  EXPECT_EQ(caught<ConfigError>([&] { quantise_on_points(v, at::tensor({0.5F}), 4); }).line, "quantiser: 1 points, expected at least 2");
  EXPECT_EQ(caught<ConfigError>([&] {
              quantise_on_points(v, at::tensor({0.5F, 0.2F}), 4);
            }).line,
            "quantiser: the points are not in rising order");
  EXPECT_EQ(caught<ConfigError>([&] { percentile_points(v.to(at::kDouble), 1); }).line, "quantiser: 1 points, expected at least 2");
  EXPECT_EQ(caught<DataError>([&] { quantise_uniform(at::full({3}, NAN), 2, 2); }).line, "quantiser: the weights are not finite");
  EXPECT_EQ(caught<ConfigError>([] { share_out({1, 2}, {4}, false); }).line, "quantiser: 2 gradient norms for 1 tensors");
}

}  // namespace
}  // namespace retort

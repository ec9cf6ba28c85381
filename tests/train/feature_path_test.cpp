#include "retort/train/feature_path.h"

#include "retort/losses/features.h"
#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kFloat).normal_(1, 2, Seed(seed).generator()); }

FeaturePathKnobs path(const std::string& projector, const std::string& normaliser) {
  FeaturePathKnobs knobs;
  knobs.projector = projector;
  knobs.normaliser = normaliser;
  return knobs;
}

TEST(NormalisedPair, EachToItsForm) {
  const Tensor s = draws({40, 5}, 1), t = draws({40, 5}, 2);
  const auto none = normalised_pair(s, t, "none");
  EXPECT_TRUE(none.first.equal(s) && none.second.equal(t));
  const auto layer = normalised_pair(s, t, "layer-norm");
  EXPECT_TRUE(layer.first.equal(s));
  EXPECT_LT(layer.second.mean(1).abs().max().item<double>(), 1e-5);
  const auto batch = normalised_pair(s, t, "batch-standardise");
  EXPECT_LT((batch.first.std(0) - 1).abs().max().item<double>(), 1e-4);
  EXPECT_LT((batch.second.std(0) - 1).abs().max().item<double>(), 1e-4);
  const auto white = normalised_pair(s, t, "whiten");
  EXPECT_TRUE(white.first.equal(s));
  const Tensor covariance = white.second.t().mm(white.second) / 39;
  EXPECT_LT((covariance - at::eye(5)).abs().max().item<double>(), 1e-3);
}

TEST(NormalisedPair, AConstantChannelBecomesZero) {
  Tensor t = draws({6, 2}, 1);
  t.select(1, 0).fill_(3);
  EXPECT_EQ(normalised_pair(t, t, "batch-standardise").first.select(1, 0).abs().max().item<double>(), 0);
}

TEST(FeaturePath, LossByHand) {
  // Width 1 on both sides, no normaliser: P = [1], smooth-L1 of 0.5 and of 3 is 0.125 and 2.5.
  const FeaturePath one(path("orthogonal", "none"), {1}, {1}, Seed(1));
  const Tensor s = at::tensor({1.0f, 1.0f}).view({2, 1}), t = at::tensor({1.5f, 4.0f}).view({2, 1});
  EXPECT_NEAR(one.loss(s, t).item<double>(), (0.125 + 2.5) / 2, 1e-6);
}

TEST(FeaturePath, RowsAreMeansOrEveryPlace) {
  FeaturePathKnobs knobs = path("linear", "none");
  const Tensor s = draws({2, 3, 4, 4}, 1), t = draws({2, 5, 4, 4}, 2);
  const FeaturePath means(knobs, {3, 4, 4}, {5, 4, 4}, Seed(1));
  EXPECT_NEAR(means.loss(s, t).item<double>(), means.loss(losses::pooled(s), losses::pooled(t)).item<double>(), 1e-6);
  knobs.rows = "each";
  const FeaturePath each(knobs, {3, 4, 4}, {5, 4, 4}, Seed(1));
  EXPECT_NE(each.loss(s, t).item<double>(), means.loss(s, t).item<double>());
  const auto refusal = caught<ConfigError>([&] { FeaturePath(knobs, {3, 4, 4}, {5, 2, 2}, Seed(1)); });
  EXPECT_EQ(refusal.line, "features of 16 rows a sample against 4");
}

TEST(FeaturePath, OnlyARotationKeepsInnerProducts) {
  EXPECT_LT(FeaturePath(path("orthogonal", "none"), {8}, {20}, Seed(1)).gram_error(), 1e-6);
  EXPECT_GT(FeaturePath(path("linear", "none"), {8}, {20}, Seed(1)).gram_error(), 0.1);
  EXPECT_GT(FeaturePath(path("mlp", "none"), {8}, {20}, Seed(1)).gram_error(), 0.1);
}

TEST(FeaturePath, RefusesAWideStudentUnlessItMay) {
  FeaturePathKnobs knobs = path("orthogonal", "none");
  const auto refusal = caught<ConfigError>([&] { FeaturePath(knobs, {9}, {4}, Seed(1)); });
  EXPECT_EQ(refusal.line, "an orthogonal projector from 9 channels to 4: the student is wider than the teacher");
  knobs.allow_wide_student = true;
  EXPECT_EQ(FeaturePath(knobs, {9}, {4}, Seed(1)).projector().params()[0].sizes(), at::IntArrayRef({4, 9}));
}

}  // namespace
}  // namespace retort

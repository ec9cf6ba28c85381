#include "retort/stats/transferability.h"

#include "tests/support.h"

namespace retort {
namespace {

const Tensor kLabels = at::tensor({0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}, at::kLong);
Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 1, Seed(seed).generator()); }

TEST(Parc, PerfectClustersAreAHundred) {
  EXPECT_NEAR(parc(at::one_hot(kLabels, 3), kLabels), 100, 1e-9);
  EXPECT_NEAR(parc(-5 * at::one_hot(kLabels, 3).to(at::kDouble) + 1, kLabels), 100, 1e-9);
}

TEST(Parc, ByHand) {
  // Columns standardise to (1, -1, 1, -1) and (1, 1, -1, -1): rows (1,1), (-1,1), (1,-1), (-1,-1). Rows without spread correlate with none: distance 1;
  // the pair of the other two is at 2. Labels (0, 1, 1, 0): pairs in order 01 02 03 12 13 23 are at 2 2 0 0 2 2.
  const Tensor features = at::tensor({3.0, 5.0, 1.0, 5.0, 3.0, 1.0, 1.0, 1.0}, at::kDouble).view({4, 2});
  // Ranks 3 3 3 6 3 3 against 4.5 4.5 1.5 1.5 4.5 4.5: Pearson = -6 / sqrt(7.5 * 12).
  EXPECT_NEAR(parc(features, at::tensor({0, 1, 1, 0}, at::kLong)), 100 * -6.0 / std::sqrt(7.5 * 12), 1e-6);
}

TEST(Parc, OrderOfSamplesAndNamesOfClassesDoNotMatter) {
  const Tensor features = draws({12, 5}, 1) + at::one_hot(kLabels, 5);
  const double value = parc(features, kLabels);
  const Tensor order = permutation(12, Seed(2));
  EXPECT_NEAR(parc(features.index_select(0, order), kLabels.index_select(0, order)), value, 1e-9);
  EXPECT_NEAR(parc(features, 2 - kLabels), value, 1e-9);
  // A constant column does not count.
  EXPECT_NEAR(parc(at::cat({features, at::full({12, 1}, 7.0, at::kDouble)}, 1), kLabels), value, 1e-9);
  EXPECT_GT(value, parc(draws({12, 5}, 1), kLabels));
}

TEST(Parc, ThePublishedCodesRoundingIsAVariant) {
  // Two classes: no pair of equals is split, whichever way it is summed.
  const Tensor features = draws({12, 5}, 1), halves = at::remainder(kLabels, 2);
  EXPECT_NEAR(parc(features, halves, false), parc(features, halves), 1e-9);
  EXPECT_NEAR(parc(features, kLabels, false), parc(features, kLabels), 5);
}

TEST(HScore, IsTheShareThatClassesExplain) {
  // Features that are the classes: each of the classes - 1 free directions counts 1.
  EXPECT_NEAR(h_score(at::one_hot(kLabels, 3), kLabels), 2, 1e-9);
  EXPECT_LT(h_score(draws({12, 2}, 1), kLabels), 2);
  EXPECT_LT(h_score(at::one_hot(kLabels, 3), kLabels, 0.5), 2);
}

TEST(Leep, ByHand) {
  // Sure answers that are the labels: likelihood 1. Answers that say nothing: the shares of the classes.
  EXPECT_NEAR(leep(at::one_hot(kLabels, 3), kLabels), 0, 1e-12);
  EXPECT_NEAR(leep(at::full({12, 4}, 0.25), kLabels), std::log(1.0 / 3), 1e-12);
  // P(z=0|x) = 1/2, 1/2, 1, 1 for labels 0 0 1 1: P(y=0|z=0) = 1/3, P(y=0|z=1) = 1; likelihoods 2/3 2/3 2/3 2/3.
  EXPECT_NEAR(leep(at::tensor({0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 1.0, 0.0}).view({4, 2}), at::tensor({0, 0, 1, 1}, at::kLong)),
              std::log(2.0 / 3), 1e-12);
}

TEST(Nce, ByHand) {
  EXPECT_NEAR(negative_conditional_entropy(kLabels, kLabels), 0, 1e-12);
  // Decision 0 holds labels 0 0 0 1, decision 1 labels 1 1: H(y|z) = 4/6 * H(1/4).
  const double quarter = -(0.25 * std::log(0.25) + 0.75 * std::log(0.75));
  EXPECT_NEAR(negative_conditional_entropy(at::tensor({0, 0, 0, 0, 1, 1}, at::kLong), at::tensor({0, 0, 0, 1, 1, 1}, at::kLong)),
              -4.0 / 6 * quarter, 1e-12);
}

TEST(CrossValidation, SeparableFeaturesAreReadAndNoiseIsNot) {
  const Tensor labels = kLabels.repeat({5}), clear = at::one_hot(labels, 3).to(at::kDouble) + 0.05 * draws({60, 3}, 1),
               noise = draws({60, 3}, 2);
  EXPECT_EQ(linear_probe_accuracy(clear, labels, Seed(1)), 1);
  EXPECT_EQ(knn_accuracy(clear, labels, Seed(1)), 1);
  EXPECT_LT(linear_probe_accuracy(noise, labels, Seed(1)), 0.6);
  EXPECT_LT(knn_accuracy(noise, labels, Seed(1)), 0.6);
}

TEST(SimilarityWeights, FromAllAlikeToTheBestAlone) {
  EXPECT_EQ(similarity_weights({3}, 12), (std::vector<double>{1}));
  EXPECT_EQ(similarity_weights({1, 2, -5, 9}, 0), (std::vector<double>{0.25, 0.25, 0.25, 0.25}));
  const auto squared = similarity_weights({1, 2, -5}, 2);
  EXPECT_NEAR(squared[0], 0.2, 1e-12);
  EXPECT_NEAR(squared[1], 0.8, 1e-12);
  EXPECT_EQ(squared[2], 0);
  double before = 0;
  for (const double power : {0.0, 0.5, 1.0, 3.0, 12.0, 1000.0}) {
    const double best = similarity_weights({20, 40, 30}, power)[1];
    EXPECT_GT(best, before);
    before = best;
  }
  EXPECT_NEAR(before, 1, 1e-12);
  EXPECT_EQ(similarity_weights({-1, -2}, 12), (std::vector<double>{0.5, 0.5}));
  EXPECT_THROW(similarity_weights({}, 1), ConfigError);
  EXPECT_THROW(similarity_weights({1}, -1), ConfigError);
}

TEST(Transferability, RefusesPoorProbeSets) {
  EXPECT_EQ(caught<ConfigError>([] {
              parc(at::zeros({3, 2}), at::tensor({0, 1, 0}, at::kLong));
            }).line,
            "parc: a probe set of 3 samples; expected at least 4");
  EXPECT_EQ(caught<ConfigError>([] {
              parc(draws({5, 2}, 1), at::zeros({5}, at::kLong));
            }).line,
            "parc: the probe set holds one class; similarity needs at least two");
  EXPECT_EQ(caught<ConfigError>([] {
              leep(at::zeros({5, 2}), at::zeros({6}, at::kLong));
            }).line,
            "leep: expected as many answers as labels, received 5 and 6");
  EXPECT_THROW(parc(at::ones({12, 2}), kLabels), DataError);
}

}  // namespace
}  // namespace retort

#include "retort/train/projector.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::randn(shape, Seed(seed).generator(), at::kFloat); }

TEST(Stages, AreTapsOfAWordAndANumber) {
  const std::vector<std::string> resnet = {"stem", "stage1", "stage2", "stage3", "embedding", "pool", "logits"};
  EXPECT_EQ(stage_taps(resnet), (std::vector<std::string>{"stage1", "stage2", "stage3"}));
  EXPECT_EQ(middle_stage(resnet), "stage2");
  EXPECT_EQ(middle_stage({"embedding", "hidden1", "hidden2", "logits"}), "hidden1");
  EXPECT_EQ(middle_stage({"embedding", "logits"}), "embedding");
}

TEST(HintRegressor, ReachesTheTeachersShape) {
  const auto reached = [](const Shape& student, const Shape& teacher) {
    std::vector<int64_t> input = student;
    input.insert(input.begin(), 2);
    return hint_regressor(student, teacher, true, Seed(1)).forward(draws(input, 2)).sizes().slice(1).vec();
  };
  for (const auto& [student, teacher] : std::vector<std::pair<Shape, Shape>>{{{3, 8, 8}, {5, 4, 4}},  // halved
                                                                             {{3, 4, 4}, {5, 8, 8}},  // doubled
                                                                             {{3, 6, 6}, {5, 6, 6}},  // 1x1
                                                                             {{3, 7, 9}, {5, 5, 6}},  // valid 3x4
                                                                             {{6}, {9}},              // vectors
                                                                             {{4, 6}, {4, 9}}}) {     // tokens
    EXPECT_EQ(reached(student, teacher), teacher);
  }
}

TEST(HintRegressor, ChoosesFitNetsKernels) {
  const auto kernel = [](const Shape& student, const Shape& teacher) {
    return hint_regressor(student, teacher, true, Seed(1)).params()[0].sizes().vec();
  };
  EXPECT_EQ(kernel({3, 8, 8}, {5, 4, 4}), (std::vector<int64_t>{5, 3, 3, 3}));
  EXPECT_EQ(kernel({3, 4, 4}, {5, 8, 8}), (std::vector<int64_t>{3, 5, 4, 4}));  // transposed
  EXPECT_EQ(kernel({3, 7, 7}, {5, 5, 5}), (std::vector<int64_t>{5, 3, 3, 3}));
  EXPECT_EQ(kernel({3, 4, 4}, {5, 4, 4}), (std::vector<int64_t>{5, 3, 1, 1}));
}

TEST(HintRegressor, OnlyTheReluKeepsNegativeFeaturesOutOfReach) {
  const Tensor x = draws({8, 3, 4, 4}, 3);
  EXPECT_GE(hint_regressor({3, 4, 4}, {5, 4, 4}, true, Seed(1)).forward(x).min().item<float>(), 0);
  EXPECT_LT(hint_regressor({3, 4, 4}, {5, 4, 4}, false, Seed(1)).forward(x).min().item<float>(), 0);
}

TEST(HintRegressor, RefusesMapsThatAreTooSmallAndMixedKinds) {
  const auto refusal = caught<ConfigError>([] { hint_regressor({3, 3, 3}, {5, 8, 8}, true, Seed(1)); });
  EXPECT_EQ(refusal.line, "no regressor leads from student features [3,3,3] to teacher features [5,8,8]");
  EXPECT_FALSE(refusal.hint.empty());
  EXPECT_THROW(hint_regressor({3, 6, 6}, {5, 8, 8}, true, Seed(1)), ConfigError);
  EXPECT_THROW(hint_regressor({3}, {5, 8, 8}, true, Seed(1)), ConfigError);
  EXPECT_THROW(hint_regressor({4, 3}, {5, 3}, true, Seed(1)), ConfigError);
}

TEST(LinearEmbedding, LiesOnTheSphere) {
  for (const Shape& shape : {Shape{6}, Shape{6, 4, 4}, Shape{5, 6}}) {
    std::vector<int64_t> input = shape;
    input.insert(input.begin(), 3);
    const Tensor e = linear_embedding(shape, 7, Seed(2)).forward(draws(input, 4));
    EXPECT_EQ(e.sizes(), (std::vector<int64_t>{3, 7}));
    EXPECT_LT((e.square().sum(1) - 1).abs().max().item<float>(), 1e-5);
  }
}

TEST(PrototypeHead, ComparesDirections) {
  const Net head = prototype_head(6, {8, 8}, 4, 10, /*unit_prototypes=*/true, Seed(1));
  const Tensor logits = head.forward(draws({5, 6}, 2));
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({5, 10}));
  EXPECT_LE(logits.abs().max().item<double>(), 1 + 1e-6);  // cosines
  EXPECT_LE(head.params()[0].abs().max().item<double>(), 0.04);
  EXPECT_EQ(head.params()[1].abs().max().item<double>(), 0);
  const Net free = prototype_head(6, {8, 8}, 4, 10, /*unit_prototypes=*/false, Seed(1));
  EXPECT_LT(free.forward(draws({5, 6}, 2)).abs().max().item<double>(), 0.1);  // prototypes as small as they were drawn
  EXPECT_EQ(caught<ConfigError>([] { prototype_head(6, {}, 4, 1, true, Seed(1)); }).line, "a head of 1 prototypes compares nothing");
}

TEST(GeluMlp, ReadsVectorsAndTokens) {
  EXPECT_EQ(gelu_mlp({6}, 8, 3, Seed(1)).forward(draws({5, 6}, 2)).sizes(), at::IntArrayRef({5, 3}));
  EXPECT_EQ(gelu_mlp({4, 6}, 8, 3, Seed(1)).forward(draws({5, 4, 6}, 2)).sizes(), at::IntArrayRef({5, 4, 3}));
}

}  // namespace
}  // namespace retort

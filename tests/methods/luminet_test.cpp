#include "retort/methods/logits/luminet.h"

#include "retort/methods/baselines/ce.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using logits::Centring;
using logits::perception_loss;
using LuminetTest = MethodTest;

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }

TEST(Luminet, PerceptionLossByHand) {
  // The teacher stands at (-1,-1) and (1,1): uniform. The student at (-1,1) and (1,-1): probabilities 0.1192 and 0.8808.
  const Tensor teacher = at::tensor({1.0, -1.0, 3.0, 1.0}, at::kDouble).view({2, 2}),
               student = at::tensor({1.0, 1.0, 3.0, -1.0}, at::kDouble).view({2, 2});
  EXPECT_NEAR(perception_loss(student, teacher, 1, 1).item<double>(), 0.433778, 1e-4);
  EXPECT_NEAR(perception_loss(student, teacher, 2, 1).item<double>(), 4 * 0.433778, 1e-4);  // alpha squared
  EXPECT_NEAR(perception_loss(student, teacher, 1, 2).item<double>(), 0.120115, 1e-4);      // no T^2
}

TEST(Luminet, IsBlindToShiftAndScaleOfAClass) {
  const Tensor s = draws({16, 5}, 1), t = draws({16, 5}, 2), shift = draws({5}, 3), scale = draws({5}, 4).abs() + 0.5;
  const double loss = perception_loss(s, t, 3, 1).item<double>();
  EXPECT_NEAR(perception_loss(s * scale + shift, t, 3, 1).item<double>(), loss, 1e-4 * loss);
  EXPECT_GT(std::abs(perception_loss(s * scale + shift, t, 3, 1, Centring::sample).item<double>() -
                     perception_loss(s, t, 3, 1, Centring::sample).item<double>()),
            0.01);
}

TEST(Luminet, ColumnSumsOfItsGradientAreZero) {
  const Tensor s = draws({16, 5}, 1).requires_grad_(true);
  perception_loss(s, draws({16, 5}, 2), 3, 1).backward();
  EXPECT_GT(s.grad().abs().max().item<double>(), 1e-3);
  EXPECT_LT(s.grad().sum(0).abs().max().item<double>(), 1e-10);
}

TEST(Luminet, OneRowSaysNothing) {
  const Tensor s = draws({1, 5}, 1).requires_grad_(true), loss = perception_loss(s, draws({1, 5}, 2), 3, 1);
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(s.grad().abs().max().item<double>(), 0);
}

TEST_F(LuminetTest, GrowsTheTermAndHeedsItsKnobs) {
  run(logits::luminet(), "warm", {"train.epochs=1", "knobs.warmup=2.0", "knobs.alpha=2.0"});
  run(logits::luminet(), "half", {"train.epochs=1", "knobs.warmup=0.0", "knobs.alpha=1.4142135623730951"});
  run(logits::luminet(), "sample", {"train.epochs=1", "knobs.warmup=0.0", "knobs.centring=sample"});
  run(logits::luminet(), "batch", {"train.epochs=1", "knobs.warmup=0.0"});
  EXPECT_NEAR(term("warm", "perception"), 2 * term("half", "perception"), 0.02 * term("warm", "perception"));
  EXPECT_NE(student("sample"), student("batch"));
}

TEST_F(LuminetTest, RefusesWhatItCannotLearnFrom) {
  const auto labels = caught<ConfigError>([&] { run(logits::luminet(), "nolabels", {"knobs.w_ce=0.0"}); });
  EXPECT_NE(labels.line.find("knobs.w_ce: without labels"), std::string::npos) << labels.line;
  EXPECT_FALSE(file_exists(scratch.file("nolabels")));
  run(logits::luminet(), "meant", {"knobs.w_ce=0.0", "knobs.allow_no_labels=true", "train.epochs=1"});
  const auto batch = caught<ConfigError>([&] { run(logits::luminet(), "one", {"train.batch=1"}); });
  EXPECT_NE(batch.line.find("train.batch: luminet standardises over the batch, found 1"), std::string::npos) << batch.line;
  const auto alpha = caught<ConfigError>([&] { run(logits::luminet(), "alpha", {"knobs.alpha=0.0"}); });
  EXPECT_NE(alpha.line.find("knobs.alpha"), std::string::npos) << alpha.line;
}

}  // namespace
}  // namespace retort

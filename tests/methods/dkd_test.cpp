#include "retort/methods/baselines/dkd.h"

#include "retort/methods/baselines/ce.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using DkdTest = MethodTest;

TEST_F(DkdTest, WithoutItsPartsItIsCrossEntropyBitForBit) {
  run(baselines::ce(), "ce");
  run(baselines::dkd(), "dkd", {"knobs.alpha=0.0", "knobs.beta=0.0"});
  EXPECT_EQ(student("ce"), student("dkd"));
  EXPECT_GT(term("dkd", "tckd"), 0);
  EXPECT_GT(term("dkd", "nckd"), 0);
}

TEST_F(DkdTest, WarmsUpFromTheFirstEpoch) {
  // One epoch of a warm-up of two has half the weight.
  run(baselines::dkd(), "warm", {"train.epochs=1", "knobs.warmup=2.0", "knobs.alpha=2.0", "knobs.beta=4.0"});
  run(baselines::dkd(), "half", {"train.epochs=1", "knobs.warmup=0.0", "knobs.alpha=1.0", "knobs.beta=2.0"});
  EXPECT_EQ(student("warm"), student("half"));
}

TEST_F(DkdTest, RefusesTwoClassesUnlessOnlyTheTargetCounts) {
  const auto refusal = caught<ConfigError>([&] { run(baselines::dkd(), "two", {"data.classes=[0,1]", "data.train=40", "data.test=20"}); });
  EXPECT_NE(refusal.line.find("knobs.beta: with 2 classes there is nothing to tell beside the label"), std::string::npos) << refusal.line;
  run(baselines::dkd(), "target", {"data.classes=[0,1]", "data.train=40", "data.test=20", "knobs.beta=0.0"});
}

TEST_F(DkdTest, RefusesMixedLabels) {
  const auto refusal = caught<ConfigError>([&] { run(baselines::dkd(), "mixed", {"views.mixup=1.0"}); });
  EXPECT_NE(refusal.line.find("one label a sample"), std::string::npos) << refusal.line;
}

}  // namespace
}  // namespace retort

#include "retort/methods/baselines/hinton.h"

#include "retort/methods/baselines/ce.h"
#include "retort/methods/baselines/ls.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using HintonTest = MethodTest;

TEST_F(HintonTest, WithoutTheTeachersWeightItIsCrossEntropyBitForBit) {
  run(baselines::ce(), "ce");
  run(baselines::hinton(), "kd", {"knobs.w_ce=1.0", "knobs.w_kd=0.0"});
  EXPECT_EQ(student("ce"), student("kd"));
}

TEST_F(HintonTest, LogsBothTermsAndHeedsItsKnobs) {
  run(baselines::hinton(), "kd");
  run(baselines::hinton(), "warm", {"knobs.temperature=20.0"});
  EXPECT_GT(term("kd", "ce"), 0);
  EXPECT_GT(term("kd", "kd"), 0);
  EXPECT_NE(student("kd"), student("warm"));
}

TEST_F(HintonTest, LearnsFromMixedViewsToo) {
  run(baselines::hinton(), "mixed", {"views.mixup=1.0"});
  EXPECT_GT(term("mixed", "ce"), 0);
  EXPECT_GT(term("mixed", "kd"), 0);
}

TEST_F(HintonTest, RefusesAKnobOutOfRange) {
  const auto refusal = caught<ConfigError>([&] { run(baselines::hinton(), "kd", {"knobs.temperature=0.0"}); });
  EXPECT_NE(refusal.line.find("knobs.temperature"), std::string::npos) << refusal.line;
  EXPECT_FALSE(file_exists(scratch.file("kd")));
}

TEST_F(HintonTest, SmoothedLabelsChangeWhatCrossEntropyLearns) {
  run(baselines::ce(), "ce");
  run(baselines::ls(), "ls", {"knobs.eps=0.3"});
  run(baselines::ls(), "mixed", {"views.mixup=1.0"});
  EXPECT_NE(student("ce"), student("ls"));
  EXPECT_GT(term("mixed", "ls"), 0);
}

}  // namespace
}  // namespace retort

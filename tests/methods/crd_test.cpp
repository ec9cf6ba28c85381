#include "retort/methods/baselines/crd.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using CrdTest = MethodTest;

TEST_F(CrdTest, LowersItsLoss) {
  run(baselines::crd(), "idle", {"train.epochs=40", "knobs.weight=0.0"});
  run(baselines::crd(), "contrast", {"train.epochs=40"});
  EXPECT_LT(term("contrast", "contrast"), term("idle", "contrast"));
}

TEST_F(CrdTest, HeedsModeAndNegatives) {
  run(baselines::crd(), "exact");
  run(baselines::crd(), "relax", {"knobs.mode=relax"});
  run(baselines::crd(), "few", {"knobs.k=8"});
  run(baselines::crd(), "capped", {"knobs.k=90"});  // of 96 samples, at most 90 are of other classes
  EXPECT_NE(student("exact"), student("relax"));
  EXPECT_NE(student("exact"), student("few"));
  EXPECT_EQ(student("exact"), student("capped"));
}

TEST_F(CrdTest, ResumesToTheBit) {
  run(baselines::crd(), "unbroken", {"run.checkpoint_seconds=0.0"});
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(run(baselines::crd(), "broken", {"run.checkpoint_seconds=0.0"}), Interrupted);
  clear_interrupt();
  run(baselines::crd(), "broken", {"run.checkpoint_seconds=0.0"}, /*resume=*/true);
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(CrdTest, RefusesMixtures) {
  const auto refusal = caught<ConfigError>([&] { run(baselines::crd(), "mixed", {"views.mixup=1.0"}); });
  EXPECT_NE(refusal.line.find("remembers whole samples"), std::string::npos) << refusal.line;
}

}  // namespace
}  // namespace retort

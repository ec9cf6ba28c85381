#include "retort/methods/self/pskd.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/baselines/ce.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using PskdTest = MethodTest;

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }

TEST(Pskd, TheShareGrowsWithTheEpochs) {
  EXPECT_DOUBLE_EQ(self::refinement_share(0.8, 150, 300), 0.4);
  EXPECT_DOUBLE_EQ(self::refinement_share(0.8, 300, 300), 0.8);
}

TEST(Pskd, TargetsSumToOneAndTheGradientIsTheGap) {
  const Tensor z = draws({5, 4}, 1).requires_grad_(true), past = at::softmax(draws({5, 4}, 2), 1),
               labels = at::tensor({0, 1, 2, 3, 0}, at::kLong);
  const Tensor target = losses::mixed_target(labels, past, 0.3);
  EXPECT_LT((target.sum(1) - 1).abs().max().item<double>(), 1e-12);
  losses::soft_cross_entropy(z, target).backward();
  EXPECT_LT((z.grad() - (at::softmax(z.detach(), 1) - target) / 5).abs().max().item<double>(), 1e-12);
}

TEST(Pskd, RescalesTheGradientAtTheLabel) {
  const double share = 0.6;
  const Tensor z = draws({5, 4}, 1).requires_grad_(true), past = at::softmax(draws({5, 4}, 2), 1),
               labels = at::tensor({0, 1, 2, 3, 0}, at::kLong);
  const auto at_label = [&](const Tensor& t) { return t.gather(1, labels.unsqueeze(1)).squeeze(1); };
  losses::soft_cross_entropy(z, losses::mixed_target(labels, past, share)).backward();
  const Tensor softened = at_label(z.grad()).clone();
  z.mutable_grad().zero_();
  losses::cross_entropy(z, labels).backward();
  const Tensor now = at_label(at::softmax(z.detach(), 1));
  EXPECT_LT((softened / at_label(z.grad()) - self::gradient_rescaling(at_label(past), now, share)).abs().max().item<double>(), 1e-9);
  // Unchanged; got easier (0.5 -> 0.9): negative; got harder (0.9 -> 0.5).
  const Tensor ratio = self::gradient_rescaling(at::tensor({0.5, 0.5, 0.9}, at::kDouble), at::tensor({0.5, 0.9, 0.5}, at::kDouble), share);
  EXPECT_TRUE(ratio.allclose(at::tensor({0.4, -2.0, 0.88}, at::kDouble)));
}

TEST_F(PskdTest, WithoutAPastItIsCrossEntropyBitForBit) {
  run(baselines::ce(), "ce");
  run(baselines::ce(), "ce1", {"train.epochs=1"});
  for (const std::string memory : {"bank", "snapshot"}) {
    run(self::pskd(), memory + "0", {"knobs.alpha_T=0.0", "knobs.memory=" + memory});
    EXPECT_EQ(student("ce"), student(memory + "0"));
    run(self::pskd(), memory + "1", {"knobs.alpha_T=1.0", "train.epochs=1", "knobs.memory=" + memory});
    EXPECT_EQ(student("ce1"), student(memory + "1"));
    run(self::pskd(), memory, {"knobs.memory=" + memory});
    EXPECT_NE(student("ce"), student(memory));
  }
  EXPECT_NE(student("bank"), student("snapshot"));
}

TEST_F(PskdTest, CombinesWithSmoothingMixingAndRamps) {
  run(self::pskd(), "plain");
  run(self::pskd(), "smooth", {"knobs.smoothing=0.1"});
  run(self::pskd(), "constant", {"knobs.ramp=constant", "train.epochs=3"});
  run(self::pskd(), "linear", {"train.epochs=3"});
  run(self::pskd(), "mixed", {"knobs.memory=snapshot", "views.mixup=1.0", "knobs.smoothing=0.1"});
  EXPECT_NE(student("plain"), student("smooth"));
  EXPECT_NE(student("constant"), student("linear"));
  EXPECT_GT(term("mixed", "ce"), 0);
}

TEST_F(PskdTest, SaysHowItTreatsHardExamples) {
  const Outcome outcome = run(self::pskd(), "hard", {"train.epochs=8"});
  EXPECT_LT(outcome.metrics.at("rescaling_easy"), 1);
  EXPECT_LT(outcome.metrics.at("rescaling_hard"), 1);
  EXPECT_EQ(run(self::pskd(), "never", {"knobs.alpha_T=0.0"}).metrics.at("rescaling_hard"), 1);
}

TEST_F(PskdTest, ResumesToTheBit) {
  for (const std::string memory : {"bank", "snapshot"}) {
    const std::vector<std::string> sets = {"run.checkpoint_seconds=0.0", "views.shift=1", "train.epochs=4", "knobs.memory=" + memory};
    run(self::pskd(), "unbroken-" + memory, sets);
    install_interrupt_handler();
    // The first phase boundary that the loop sees is the first step: stopping and going on again and again walks through every epoch.
    for (bool resume = false, done = false; !done; resume = true) {
      std::raise(SIGINT);
      try {
        run(self::pskd(), "broken-" + memory, sets, resume);
        done = true;
      } catch (const Interrupted&) {
      }
      clear_interrupt();
    }
    EXPECT_EQ(student("unbroken-" + memory), student("broken-" + memory));
  }
}

TEST_F(PskdTest, ABankRefusesMixturesAndTooManySamples) {
  const auto mixed = caught<ConfigError>([&] { run(self::pskd(), "mixed", {"views.mixup=1.0"}); });
  EXPECT_NE(mixed.line.find("views.mixup: a bank remembers single samples, not mixtures"), std::string::npos) << mixed.line;
  const auto large = caught<ConfigError>([&] {
    run(self::pskd(), "large",
        {"data.source=world:ring8,rows=40000", "data.train=39000", "data.test=500", "student.net=mlp-4", "teacher.net=mlp-4",
         "knobs.bank_megabytes=1"});
  });
  EXPECT_NE(large.line.find("a bank of 39000 samples x 8 classes takes more than 1 MB"), std::string::npos) << large.line;
  const auto alpha = caught<ConfigError>([&] { run(self::pskd(), "alpha", {"knobs.alpha_T=1.5"}); });
  EXPECT_NE(alpha.line.find("knobs.alpha_T"), std::string::npos) << alpha.line;
  const auto epochs = caught<ConfigError>([&] { run(self::pskd(), "epochs", {"train.epochs=0"}); });
  EXPECT_NE(epochs.line.find("train.epochs"), std::string::npos) << epochs.line;
}

}  // namespace
}  // namespace retort

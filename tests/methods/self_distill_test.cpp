#include "retort/methods/self/self_distill.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using SelfDistillTest = MethodTest;

// Three generations of one epoch each, with something to choose on.
std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(sets.begin(), {"data.validation=40", "knobs.generations=3", "train.epochs=1"});
  return sets;
}

TEST(SelfDistill, LossByHand) {
  // Uniform over two classes: (0.5 - 1)^2 + 0.5^2 = 0.5 from the label, 0 from a teacher that is as unsure.
  const Loss loss = self::generation_loss(at::zeros({1, 2}), at::tensor({1.f, 0.f}).view({1, 2}), at::full({1, 2}, 3.f), 0.6);
  EXPECT_NEAR(loss.total().item<double>(), 0.3, 1e-6);
  ASSERT_EQ(loss.terms().size(), 2u);
  EXPECT_NEAR(loss.terms()[1].value.item<double>(), 0, 1e-12);
  // Unlabelled rows count for the teacher's term only.
  const Loss half = self::generation_loss(at::zeros({2, 2}), at::tensor({1.f, 0.f, 0.f, 0.f}).view({2, 2}), at::zeros({2, 2}), 0.6);
  EXPECT_NEAR(half.total().item<double>(), 0.3, 1e-6);
}

TEST(SelfDistill, PenaltyByHand) {
  const Tensors params = {at::tensor({3.f, 4.f}), at::tensor({2.f})};
  EXPECT_NEAR(self::weight_penalty(params, /*squared=*/true).item<double>(), 29, 1e-6);
  EXPECT_NEAR(self::weight_penalty(params, /*squared=*/false).item<double>(), 7, 1e-6);
}

TEST_F(SelfDistillTest, EveryGenerationIsShown) {
  const Outcome outcome = run(self::self_distill(), "fixed", with({"knobs.gt_weight=[0.5,0.25]"}));
  EXPECT_EQ(outcome.metrics.at("trainings"), 3);
  EXPECT_EQ(outcome.metrics.at("gt_weight1"), 1);
  EXPECT_EQ(outcome.metrics.at("gt_weight2"), 0.5);
  EXPECT_EQ(outcome.metrics.at("gt_weight3"), 0.25);
  EXPECT_EQ(outcome.metrics.at("generation3.accuracy"), outcome.metrics.at("accuracy"));
  EXPECT_TRUE(outcome.metrics.count("held_out2"));
}

TEST_F(SelfDistillTest, TheEstimateTakesTwoTrainingsAGenerationAndAGridAsManyAsItHasPoints) {
  const Outcome optimal = run(self::self_distill(), "optimal", with({"knobs.choose=optimal"}));
  EXPECT_EQ(optimal.metrics.at("trainings"), 5);
  EXPECT_GE(optimal.metrics.at("gt_weight2"), 0);
  EXPECT_LE(optimal.metrics.at("gt_weight2"), 1);
  const Outcome grid = run(self::self_distill(), "grid",
                           with({"knobs.choose=grid", "knobs.grid=3", "knobs.generations=2", "knobs.keep_generation=best"}));
  EXPECT_EQ(grid.metrics.at("trainings"), 4);
  EXPECT_GE(grid.metrics.at("rank_of_estimate"), 1);
  EXPECT_LE(grid.metrics.at("rank_of_estimate"), 3);
  const double first = grid.metrics.at("held_out1"), second = grid.metrics.at("held_out2");
  EXPECT_EQ(grid.metrics.at("kept_generation"), second < first ? 2 : 1);
}

TEST_F(SelfDistillTest, KnobsChangeTheStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {
      {}, {"knobs.gt_weight=[0.0]"}, {"knobs.gt_weight=[1.0]"}, {"knobs.reg=0.0"}, {"knobs.reg_form=plain"}, {"knobs.generations=2"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(self::self_distill(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(SelfDistillTest, AKernelMachineIsAModelLikeAnyOther) {
  const auto kernel = [](std::vector<std::string> sets) {
    sets.insert(sets.end(), {"knobs.model=kernel", "knobs.lambda=0.1", "data.validation=60", "data.train=200", "knobs.generations=4"});
    return sets;
  };
  const Outcome fixed = run(self::self_distill(), "kernel", kernel({}));
  EXPECT_GT(fixed.metrics.at("accuracy"), 80);
  EXPECT_GT(fixed.metrics.at("limit.accuracy"), 70);
  EXPECT_EQ(load_model(scratch.file("kernel")).net.spec().at("arch"), "kernel-rbf-200");
  const Outcome same = run(self::self_distill(), "labels", kernel({"knobs.gt_weight=[1.0]"}));
  EXPECT_EQ(same.metrics.at("generation1.accuracy"), same.metrics.at("accuracy"));
  // Exact on the validation part: at the second generation no weight of a grid is better.
  const double optimal = run(self::self_distill(), "optimal", kernel({"knobs.choose=optimal"})).metrics.at("held_out2");
  EXPECT_LE(optimal, run(self::self_distill(), "grid", kernel({"knobs.choose=grid", "knobs.grid=11"})).metrics.at("held_out2") + 1e-12);
}

TEST_F(SelfDistillTest, TheSineNeedsNoData) {
  retort::Run run(
      Recipe::parse("method = \"self-distill\"\n[knobs]\nmodel = \"sine\"\ngamma = 40\nlambda = 0.1\ndraws = 5\ngenerations = 6\n",
                    "sine.toml", {"run.dir=" + scratch.file("sine")}),
      false);
  run.quiet = true;
  self::self_distill().run(run);
  EXPECT_EQ(run.outcome.metrics.at("identity_violations"), 0);
  EXPECT_LT(run.outcome.metrics.at("published_difference"), 1e-4);
  EXPECT_LT(run.outcome.metrics.at("limit_distance"), 1e-8);
  EXPECT_LT(run.outcome.metrics.at("labels_only_change"), 1e-12);
  EXPECT_NEAR(run.outcome.metrics.at("collapse_end"), 0.49505, 1e-3);
}

TEST_F(SelfDistillTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0", "knobs.choose=optimal"});
  run(self::self_distill(), "unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      run(self::self_distill(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(SelfDistillTest, RefusesWhatCannotBe) {
  const auto line = [&](const std::string& folder, const std::vector<std::string>& sets) {
    const std::string said = caught<ConfigError>([&] { run(self::self_distill(), folder, sets); }).line;
    EXPECT_FALSE(std::filesystem::exists(scratch.file(folder) + "/student.safetensors"));
    return said;
  };
  EXPECT_NE(line("weight", {"knobs.gt_weight=[1.5]"}).find("knobs.gt_weight: expected a number from 0 to 1, found 1.5"), std::string::npos);
  EXPECT_NE(line("optimal", {"knobs.choose=optimal"}).find("knobs.choose: \"optimal\" needs a validation part to choose on"),
            std::string::npos);
  EXPECT_NE(line("best", {"knobs.keep_generation=best"}).find("\"best\" needs a validation part"), std::string::npos);
  EXPECT_NE(line("lambda", {"knobs.model=kernel", "knobs.lambda=0.0"}).find("knobs.lambda"), std::string::npos);
  EXPECT_NE(line("empty", {"knobs.gt_weight=[]"}).find("the list is empty"), std::string::npos);
  run(self::self_distill(), "outside", {"knobs.gt_weight=[1.5]", "knobs.allow_outside=true", "knobs.generations=2", "train.epochs=1"});
}

}  // namespace
}  // namespace retort

#include "retort/methods/teachers/distill_budget.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/baselines/ce.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using BudgetTest = MethodTest;

// Half of the digits with few labels; sources: a trained reader of the other half, a net drawn at random, and one that knows turns.
std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(
      sets.begin(),
      {"data.classes=[5,6,7,8,9]", "data.train=300", "data.labels_per_class=6", "data.keep_unlabelled=true", "data.invert=true",
       "train.labelled=10", "run.cache=",
       R"(knobs.sources=[{name="others", net="mlp-16", data={classes=[0,1,2,3,4], labels_per_class=0, invert=false}, train={epochs=3}},
                                         {name="random", kind="random", net="mlp-16"},
                                         {name="turns", net="mlp-16", data={classes=[], labels_per_class=0, task="rotation", train=200}, train={epochs=2}}])"});
  return sets;
}

TEST(Budget, LossByHand) {
  // 0.8 * 2 + 0.2 * (0.25 * log 2 + 0.75 * log 4): uniform heads against uniform sources of 2 and 4 classes.
  const Loss loss = teachers::budget_loss(
      at::full({}, 2.0), {{"a", 0.25, at::zeros({3, 2}), at::zeros({3, 2})}, {"b", 0.75, at::zeros({3, 4}), at::ones({3, 4})}}, 0.8, 1);
  EXPECT_NEAR(loss.total().item<double>(), 1.6 + 0.2 * (0.25 * std::log(2.0) + 0.75 * std::log(4.0)), 1e-6);
  // Both sides are divided by the temperature: at T = 0.5 logits (log 2, 0) say (4/5, 1/5).
  const Tensor z = at::tensor({std::log(2.0), 0.0}, at::kDouble).view({1, 2});
  EXPECT_NEAR(teachers::budget_loss(at::zeros({}, at::kDouble), {{"a", 1, z, z}}, 0, 0.5).terms()[1].value.item<double>(),
              -(0.8 * std::log(0.8) + 0.2 * std::log(0.2)), 1e-9);
}

TEST_F(BudgetTest, WeighsSourcesAndShowsThem) {
  const Outcome outcome = run(teachers::distill_budget(), "weighted", with({}));
  double sum = 0;
  for (const std::string name : {"others", "random", "turns"}) sum += outcome.metrics.at("weight_" + name);
  EXPECT_NEAR(sum, 1, 1e-9);
  const Outcome uniform = run(teachers::distill_budget(), "uniform", with({"knobs.power=0.0"}));
  EXPECT_NEAR(uniform.metrics.at("weight_turns"), 1.0 / 3, 1e-9);
  const Outcome nearest = run(teachers::distill_budget(), "nearest", with({"knobs.use=nearest"}));
  EXPECT_NEAR(nearest.metrics.at("weight_others") + nearest.metrics.at("weight_random") + nearest.metrics.at("weight_turns"), 1, 1e-12);
  const Outcome one = run(teachers::distill_budget(), "one", with({"knobs.use=turns", "knobs.metric=linear"}));
  EXPECT_EQ(one.metrics.at("weight_turns"), 1);
  std::set<std::string> students = {student("weighted"), student("uniform"), student("one")};
  EXPECT_EQ(students.size(), 3u);
}

TEST_F(BudgetTest, AllLabelsOrNone) {
  run(teachers::distill_budget(), "labels", with({"knobs.lambda=1.0"}));
  run(baselines::ce(), "ce",
      {"data.classes=[5,6,7,8,9]", "data.train=300", "data.labels_per_class=6", "data.keep_unlabelled=true", "data.invert=true",
       "train.labelled=10", "run.cache="});
  EXPECT_EQ(student("labels"), student("ce"));
  run(teachers::distill_budget(), "sources", with({"knobs.lambda=0.0"}));
  EXPECT_NE(student("labels"), student("sources"));
}

TEST_F(BudgetTest, AnAuditTriesEverySource) {
  const Outcome outcome = run(teachers::distill_budget(), "audit", with({"knobs.audit=true", "train.epochs=1"}));
  for (const std::string metric : {"parc", "linear", "knn", "hscore", "leep", "nce"})
    EXPECT_LE(std::abs(outcome.metrics.at("rank_correlation_" + metric)), 1) << metric;
  EXPECT_GE(outcome.metrics.at("best_single"), outcome.metrics.at("worst_single"));
  EXPECT_GE(outcome.metrics.at("nearest_rank"), 1);
  EXPECT_LE(outcome.metrics.at("nearest_rank"), 3);
  EXPECT_TRUE(outcome.metrics.count("only_turns.accuracy"));
}

TEST_F(BudgetTest, SourcesMayBeFiles) {
  run(baselines::ce(), "file", {"data.classes=[0,1,2]", "train.epochs=1"});
  const Outcome outcome = run(teachers::distill_budget(), "from-file",
                              {"data.classes=[5,6,7]", "knobs.sources=[{kind=\"file\", files=[\"" + scratch.file("file") + "\"]}]"});
  EXPECT_EQ(outcome.metrics.at("weight_source1"), 1);
}

TEST_F(BudgetTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0"});
  run(teachers::distill_budget(), "unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      run(teachers::distill_budget(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(BudgetTest, RefusesWhatCannotBe) {
  const auto line = [&](const std::string& folder, std::vector<std::string> sets) {
    return caught<ConfigError>([&] { run(teachers::distill_budget(), folder, std::move(sets)); }).line;
  };
  EXPECT_NE(line("none", {}).find("knobs.sources: there are none"), std::string::npos);
  EXPECT_NE(line("use", with({"knobs.use=nobody"})).find("knobs.use: there is no source 'nobody'"), std::string::npos);
  EXPECT_NE(line("lambda", with({"knobs.lambda=1.5"})).find("knobs.lambda"), std::string::npos);
  EXPECT_NE(line("power", with({"knobs.power=-1.0"})).find("knobs.power"), std::string::npos);
  EXPECT_NE(line("twice", {R"(knobs.sources=[{name="a", kind="random", net="mlp-4"}, {name="a", kind="random", net="mlp-4"}])"})
                .find("'a' is used twice"),
            std::string::npos);
  EXPECT_NE(line("store", {R"(knobs.sources=[{kind="store", files=["x"]}])"}).find("captured signals are of one data set"),
            std::string::npos);
  EXPECT_NE(line("few", with({"data.labels_per_class=0", "data.train=2", "train.batch=12", "data.keep_unlabelled=false"}))
                .find("a probe set of 2 samples"),
            std::string::npos);
  const auto shape = caught<DataError>([&] {
                       run(teachers::distill_budget(), "shape",
                           {R"(knobs.sources=[{name="a", net="mlp-4", data={source="world:textures,size=9", train=50}, train={epochs=1}}])",
                            "run.cache="});
                     }).line;
  EXPECT_NE(shape.find("source a: reads inputs [1,9,9], and the data have [1,8,8]"), std::string::npos) << shape;
}

}  // namespace
}  // namespace retort

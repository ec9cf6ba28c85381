#include "retort/methods/blackbox/rad.h"

#include "tests/methods/support.h"

namespace retort {
namespace {

using RadTest = MethodTest;

const std::vector<std::string> kPool = {"knobs.labelled=32", "knobs.budget=12", "data.validation=40", "student.net=mlp-8"};

std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(sets.begin(), kPool.begin(), kPool.end());
  return sets;
}

TEST(Rad, WrongAnswersOfAPool) {
  EXPECT_EQ(blackbox::wrong_among(200, 0.9), 20);
  EXPECT_EQ(blackbox::wrong_among(200, 1), 0);
  EXPECT_EQ(blackbox::wrong_among(200, 0), 199);  // one is left to be right
}

TEST(Rad, FlippedAnswersChangeTheDecisionOfAShare) {
  const Tensor p = at::softmax(at::empty({400, 5}).normal_(0, 1, Seed(1).generator()), 1), ids = at::arange(400);
  const Tensor flipped = blackbox::flipped_answers(p, ids, 0.3, Seed(2));
  const double changed = flipped.argmax(1).ne(p.argmax(1)).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(changed, 0.3, 0.08);
  EXPECT_TRUE(std::get<0>(flipped.sort(1)).equal(std::get<0>(p.sort(1))));
  EXPECT_TRUE(blackbox::flipped_answers(p, ids, 0, Seed(2)).equal(p));
}

TEST_F(RadTest, AsksAboutTheChosenPointsOnly) {
  for (const char* select : {"rad", "random", "gain", "k-centre", "cluster-margin"}) {
    const Outcome outcome = run(blackbox::rad(), select, with({std::string("knobs.select=") + select}));
    EXPECT_EQ(outcome.metrics.at("questions"), 12) << select;
    EXPECT_EQ(outcome.metrics.at("check_questions"), 40) << select;
    EXPECT_TRUE(outcome.metrics.count("correct_answers")) << select;
  }
  EXPECT_EQ(run(blackbox::rad(), "confidence", with({"knobs.select=teacher-confidence"})).metrics.at("questions"), 64);
  EXPECT_EQ(run(blackbox::rad(), "rounds", with({"knobs.rounds=3"})).metrics.at("questions"), 12);
  EXPECT_EQ(run(blackbox::rad(), "labels", with({"teacher.show=hard_labels", "knobs.wrong=0.2"})).metrics.at("check_questions"), 0);
}

TEST_F(RadTest, RefusesWhatCannotBe) {
  EXPECT_NE(caught<ConfigError>([&] { run(blackbox::rad(), "large", with({"knobs.budget=65"})); }).line.find("the pool has 64 points"),
            std::string::npos);
  EXPECT_NE(
      caught<ConfigError>([&] { run(blackbox::rad(), "blind", with({"data.validation=0"})); }).line.find("measured on a validation part"),
      std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { run(blackbox::rad(), "full", with({"knobs.labelled=96"})); }).line.find("no point is left"),
            std::string::npos);
  EXPECT_NE(
      caught<ConfigError>([&] { run(blackbox::rad(), "few", with({"knobs.labelled=97"})); }).line.find("96 training rows have a label"),
      std::string::npos);
}

}  // namespace
}  // namespace retort

#include "retort/catalogue/expectation.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

ArmValues values_of(std::map<std::string, double> by_arm) {
  return [by_arm](const ArmMetric& use) { return by_arm.at(use.first + "." + use.second); };
}
double surplus(const std::string& sentence, const std::map<std::string, double>& arms) {
  return parse_expectation(sentence, "here").surplus(values_of(arms));
}

TEST(Expectation, SurplusIsTheDistanceBeyondTheMargin) {
  EXPECT_NEAR(surplus("accuracy: kd >= ce + 0.7", {{"kd.accuracy", 88}, {"ce.accuracy", 86}}), 1.3, 1e-9);
  EXPECT_NEAR(surplus("accuracy: kd > ce + 0.7", {{"kd.accuracy", 86.5}, {"ce.accuracy", 86}}), -0.2, 1e-9) << "the wrong side";
  EXPECT_DOUBLE_EQ(surplus("ece: kd < ce", {{"kd.ece", 2}, {"ce.ece", 5}}), 3);
  EXPECT_DOUBLE_EQ(surplus("ece: kd == ce", {{"kd.ece", 2}, {"ce.ece", 5}}), -3);
}

TEST(Expectation, ArithmeticFollowsTheUsualOrder) {
  EXPECT_DOUBLE_EQ(surplus("m: a - b - 1 >= 2 * (b + 3) / 4", {{"a.m", 10}, {"b.m", 1}}), (10 - 1 - 1) - 2 * (1 + 3) / 4.0);
  EXPECT_DOUBLE_EQ(surplus("m: -a + 1e1 <= .5*b", {{"a.m", 3}, {"b.m", 20}}), 10 - 7);
}

TEST(Expectation, FunctionsTakeSeveralArms) {
  const std::map<std::string, double> arms = {{"a.m", 1}, {"b.m", 5}, {"c.m", 3}};
  EXPECT_DOUBLE_EQ(surplus("m: max(a, b, c) >= 0", arms), 5);
  EXPECT_DOUBLE_EQ(surplus("m: min(a, b, c) >= 0", arms), 1);
  EXPECT_DOUBLE_EQ(surplus("m: mean(a, b, c) >= 0", arms), 3);
  EXPECT_DOUBLE_EQ(surplus("m: max(a, b - 10) >= 0", arms), 1);
}

TEST(Expectation, AnArmMayBringAnotherMetric) {
  const Expectation found = parse_expectation("accuracy: kd.teacher.accuracy - kd <= 3", "here");
  EXPECT_EQ(found.uses, (std::set<ArmMetric>{{"kd", "accuracy"}, {"kd", "teacher.accuracy"}}));
  EXPECT_DOUBLE_EQ(found.surplus(values_of({{"kd.teacher.accuracy", 94}, {"kd.accuracy", 92}})), 1);
}

TEST(Expectation, MarginIsTheNumberBesideTheArms) {
  EXPECT_DOUBLE_EQ(parse_expectation("accuracy: kd >= ce + 0.7", "here").margin(), 0.7);
  EXPECT_DOUBLE_EQ(parse_expectation("accuracy: kd + 0.2 >= ce", "here").margin(), -0.2);
  EXPECT_DOUBLE_EQ(parse_expectation("accuracy: kd >= 90", "here").margin(), 90);
}

TEST(Expectation, RefusesWhatItCannotRead) {
  for (const char* sentence :
       {"kd >= ce", "accuracy: kd", "accuracy: kd >= ", "accuracy: kd >= ce +", "accuracy: kd => ce", "accuracy: kd >= ce)",
        "accuracy: (kd >= ce", "accuracy: kd * ce >= 1", "accuracy: 1 / kd >= 1", "accuracy: kd / 0 >= 1", "accuracy: median(kd, ce) >= 1",
        "accuracy: 1 >= 0", ": kd >= ce", "accuracy: kd. >= ce", "accuracy: kd >= ce; rm"}) {
    try {
      parse_expectation(sentence, "p.toml:3: expect.x");
      ADD_FAILURE() << sentence << " was read";
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what()).rfind("p.toml:3: expect.x: ", 0), 0u) << error.what();
    }
  }
}

Judgement judged(const std::string& sentence, const std::vector<double>& left, const std::vector<double>& right) {
  std::vector<ArmValues> seeds;
  for (size_t i = 0; i < left.size(); ++i) seeds.push_back(values_of({{"a.m", left[i]}, {"b.m", right[i]}}));
  return judge(parse_expectation(sentence, "here"), seeds);
}

TEST(Judge, ClearDifferencesAreDecided) {
  const Judgement good = judged("m: a >= b + 1", {12, 12.2, 11.9, 12.1, 12}, {10, 10, 10, 10, 10});
  EXPECT_EQ(good.verdict, Verdict::holds);
  EXPECT_TRUE(good.mean_met);
  EXPECT_NEAR(good.paired.mean_difference, 1.04, 1e-9);
  EXPECT_EQ(judged("m: a >= b + 3", {12, 12.2, 11.9, 12.1, 12}, {10, 10, 10, 10, 10}).verdict, Verdict::does_not_hold);
}

TEST(Judge, AnIntervalAcrossTheMarginIsUndecidedWhateverTheMean) {
  const Judgement judgement = judged("m: a >= b", {11, 9, 12, 9, 11}, {10, 10, 10, 10, 10});
  EXPECT_TRUE(judgement.mean_met);
  EXPECT_EQ(judgement.verdict, Verdict::undecided);
}

TEST(Judge, TwoSeedsAreTooFew) { EXPECT_EQ(judged("m: a >= b", {20, 21}, {10, 10}).verdict, Verdict::undecided); }

TEST(Judge, TiesMeetOnlyTheRelationsThatAllowThem) {
  EXPECT_EQ(judged("m: a >= b", {1, 2, 3}, {1, 2, 3}).verdict, Verdict::holds);
  EXPECT_EQ(judged("m: a > b", {1, 2, 3}, {1, 2, 3}).verdict, Verdict::does_not_hold);
  EXPECT_EQ(judged("m: a == b", {1, 2, 3}, {1, 2, 3}).verdict, Verdict::holds);
  EXPECT_EQ(judged("m: a == b", {1, 2, 3}, {1, 2, 3.001}).verdict, Verdict::does_not_hold);
}

TEST(Judge, EqualityIsNotRescuedByOppositeErrors) { EXPECT_EQ(judged("m: a == b", {2, 4}, {3, 3}).verdict, Verdict::does_not_hold); }

TEST(Judge, ANumberThatIsNoneDecidesNothing) {
  const Judgement judgement = judged("m: a >= b", {1, std::nan(""), 3}, {0, 0, 0});
  EXPECT_FALSE(judgement.mean_met);
  EXPECT_EQ(judgement.verdict, Verdict::undecided);
}

}  // namespace
}  // namespace retort

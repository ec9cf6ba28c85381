#include "retort/methods/audit/distill_compare.h"

#include "retort/methods/audit/findings.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using namespace audit;

class AuditTest : public ::testing::Test {
 protected:
  Outcome audit(const std::string& knobs, std::vector<std::string> sets = {}) {
    sets.push_back("run.dir=" + scratch.file("run" + std::to_string(runs_++)));
    retort::Run run(
        Recipe::parse(std::string("method = \"distill-compare\"\n[knobs]\npairs = 2\ninner = 2\nnull_draws = 2\nopaque = false\n") +
                          (knobs.find("outer") == 0 ? "" : "outer = 4\nrounds = 200\n") + knobs,
                      "audit.toml", sets));
    run.quiet = true;
    distill_compare().run(run);
    run.finish();
    return run.outcome;
  }
  // A log as CSV: `rows` of age, group, score, outcome, each written by `row`.
  std::string log(int64_t rows, const std::function<std::string(int64_t, Dice&)>& row) {
    std::string text = "age,group,score,outcome\n";
    Dice dice{Seed(5)};
    for (int64_t i = 0; i < rows; ++i) text += row(i, dice) + "\n";
    write_file(scratch.file("log.csv"), text);
    return scratch.file("log.csv");
  }
  Caught refused(const std::string& path, const std::string& more = {}) {
    return caught<Error>([&] { audit("score = \"score\"\noutcome = \"outcome\"\n" + more, {"data.source=" + path}); });
  }
  Scratch scratch;

 private:
  int runs_ = 0;
};

TEST(ScoreScale, ALineWhereTheScoreIsAMultipleOfTheLogOdds) {
  Dice dice{Seed(1)};
  std::vector<double> score, outcome;
  for (int i = 0; i < 20000; ++i) {
    const double log_odds = dice.uniform(-2, 2);
    score.push_back(3 * log_odds + 5);
    outcome.push_back(dice.chance(1 / (1 + std::exp(-log_odds))) ? 1 : 0);
  }
  const ScoreScale scale = fit_score_scale(score, outcome, true);
  EXPECT_TRUE(scale.linear);
  EXPECT_NEAR(scale.slope, 1.0 / 3, 3 * scale.slope_error);
  EXPECT_NEAR(scale(5), 0, 0.1);
  EXPECT_EQ(scale.groups.size(), 20U);
}

TEST(ScoreScale, ARisingCurveWhereNoLineFits) {
  std::vector<double> score, outcome;
  for (int s = 0; s < 6; ++s)
    for (int i = 0; i < 100; ++i) score.push_back(s), outcome.push_back(i < (s < 5 ? 10 : 90) ? 1 : 0);
  const ScoreScale scale = fit_score_scale(score, outcome, true);
  EXPECT_FALSE(scale.linear);
  EXPECT_NEAR(scale(5), std::log(90.5 / 10.5), 1e-12);
  EXPECT_NEAR(scale(2), std::log(10.5 / 90.5), 1e-12);
  EXPECT_NEAR(scale(4.5), 0, 1e-12);
  EXPECT_DOUBLE_EQ(fit_score_scale(score, outcome, true, "none")(4.5), 4.5);
}

TEST(Students, TheSameTargetLeavesNoDifference) {
  AuditTable log = made_up_log("full", 400, Seed(2));
  // A real outcome that the score equals: both students are the same model.
  log.outcome = log.score;
  log.binary = false;
  StudentSettings settings;
  settings.additive.rounds = 50, settings.additive.pairs = 0, settings.outer = 3, settings.inner = 2;
  const Workbench bench = set_up(log, log.score, settings, Seed(3));
  for (const BinView& bin : compare_bins(bench, settings, 0.95, Seed(4))) {
    EXPECT_EQ(bin.difference.mean, 0);
    EXPECT_FALSE(bin.flagged);
  }
}

TEST_F(AuditTest, FindsWhatIsMissingAndWhatIsNot) {
  const std::string quick = "outer = 0\nrows = 2000\nrounds = 600\n";
  EXPECT_EQ(audit(quick + "world = \"missing\"").metrics.at("rejected"), 1);
  const Outcome full = audit(quick + "world = \"full\"");
  EXPECT_EQ(full.metrics.at("rejected"), 0);
  EXPECT_EQ(full.metrics.at("tested"), 1);
  const Outcome rushed = audit("outer = 0\nrows = 2000\nrounds = 10\nworld = \"missing\"");
  EXPECT_EQ(rushed.metrics.at("tested"), 0);
  EXPECT_EQ(rushed.metrics.at("rejected"), 0);
}

TEST_F(AuditTest, TheMimicAloneFlagsNothing) {
  const Outcome outcome = audit("world = \"planted\"\ntwo = false\nrows = 500");
  EXPECT_EQ(outcome.metrics.at("flagged"), 0);
  EXPECT_FALSE(outcome.metrics.count("residual_correlation"));
}

TEST_F(AuditTest, ReadsALog) {
  const std::string path = log(600, [](int64_t i, Dice& dice) {
    const int64_t age = 18 + dice.below(40);
    return fmt::format("{},{},{},{}", i % 50 == 0 ? "" : std::to_string(age), i % 3 == 0 ? "a" : "b", age / 8,
                       dice.chance(age / 80.0) ? 1 : 0);
  });
  const Outcome outcome = audit("score = \"score\"\noutcome = \"outcome\"", {"data.source=" + path});
  EXPECT_EQ(outcome.panels[0]["kind"], "lead");
  EXPECT_NE(outcome.panels[0]["text"].get<std::string>().find("600 rows"), std::string::npos);
  std::set<std::string> kinds;
  for (const auto& panel : outcome.panels) kinds.insert(panel["kind"].get<std::string>() + ":" + panel["title"].get<std::string>());
  EXPECT_TRUE(kinds.count("lines:age"));
  EXPECT_TRUE(kinds.count("bars:group"));
}

TEST_F(AuditTest, RefusesWhatCannotBeAudited) {
  const auto row = [](const std::string& score, const std::string& outcome) {
    return [=](int64_t i, Dice&) { return fmt::format("{},b,{},{}", i, fmt::format(score, i % 7), fmt::format(outcome, i % 2)); };
  };
  EXPECT_NE(refused(log(150, row("{}", "{}"))).line.find("expected at least 200"), std::string::npos);
  EXPECT_NE(refused(log(300, row("4", "{}"))).line.find("every score is 4"), std::string::npos);
  EXPECT_NE(refused(log(300, row("{}", "1"))).line.find("every outcome is 1"), std::string::npos);
  EXPECT_NE(
      refused(log(300, [](int64_t i, Dice&) { return fmt::format("{},b,{},{}", i, i % 2, i % 3 % 2); })).line.find("2 different scores"),
      std::string::npos);
  EXPECT_NE(refused(log(300, [](int64_t i, Dice&) { return fmt::format("{},b,{},{}", i, i, i % 2); }))
                .line.find("the feature 'age' is the score itself"),
            std::string::npos);
  EXPECT_NE(refused(log(300, [](int64_t i, Dice&) { return fmt::format("{},b,{},{}", i, i % 3 ? "" : "4", i % 2); }))
                .line.find("missing in 200 of 300 rows"),
            std::string::npos);
  EXPECT_NE(refused(log(300, [](int64_t i, Dice&) { return fmt::format("1,word{},{},{}", i, i % 7, i % 2); }))
                .line.find("'group' is text with 300 different values"),
            std::string::npos);
  EXPECT_NE(refused(log(300, [](int64_t i, Dice&) { return fmt::format("1,b,high{},{}", i, i % 2); }))
                .line.find("expected a number, found 'high0'"),
            std::string::npos);
  const std::string good = log(300, row("{}", "{}"));
  EXPECT_NE(refused(good, "features = [\"agee\"]").hint.find("did you mean 'age'?"), std::string::npos);
  EXPECT_NE(refused(good, "features = [\"score\"]").line.find("'score' is the score"), std::string::npos);
  EXPECT_NE(refused(scratch.file("none.csv")).line.find("no such file"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { audit("outcome = \"outcome\""); }).line.find("knobs.score: missing"), std::string::npos);
}

}  // namespace
}  // namespace retort

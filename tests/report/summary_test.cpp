#include "retort/report/summary.h"

#include <gtest/gtest.h>

#include "tests/report/sample.h"

namespace retort::report {
namespace {

std::string told(const RunView& run) { return summary_of(run, results_of(run)); }

TEST(Summary, SaysWhatWasKeptAtWhatSize) {
  EXPECT_EQ(told(sample_run("a", 96.9)),
            "A student of 1,810 parameters keeps 98.9% of the teacher’s accuracy at 1/40 of its size. Trained alone, the same net reaches "
            "95.3%: the teacher is worth 1.6 points.");
}

TEST(Summary, DoesNotFlatter) {
  EXPECT_NE(told(sample_run("a", 97.99)).find("keeps 99.9%"), std::string::npos) << "a loss is not rounded away";
  EXPECT_NE(told(sample_run("a", 94.3)).find("here the teacher costs 1.0 points"), std::string::npos);
  EXPECT_NE(told(sample_run("a", 95.3)).find("here the teacher changes nothing"), std::string::npos);
  EXPECT_NE(told(sample_run("a", 98.5)).find("exceeds the teacher’s accuracy (98.5% against 98.0%)"), std::string::npos);
}

TEST(Summary, SpeaksWithOneDecimalUnlessNothingIsLeft) {
  RunView run = sample_run("a", 95.34);
  run.run["table"]["columns"][0]["digits"] = 2;
  EXPECT_NE(told(run).find("reaches 95.3%: the teacher is worth 0.04 points."), std::string::npos) << told(run);
}

TEST(Summary, DoesWithWhatThereIs) {
  RunView run;
  EXPECT_EQ(told(run), "This run has not finished; what it has measured so far is below.");
  run.run = {{"status", "finished"}, {"method", "bo.ei"}, {"seconds", 3}};
  EXPECT_EQ(told(run), "A run of bo.ei finished in 3.0 s.");
  run = sample_run("a");
  run.run["status"] = "failed";
  EXPECT_EQ(told(run).rfind("This run failed before its end; what it had measured is below. A student", 0), 0u);
  run = sample_run("a");
  run.run["table"]["rows"].erase(0);
  EXPECT_EQ(told(run).rfind("A student of 1,810 parameters reaches an accuracy of 96.9%.", 0), 0u);
}

TEST(Summary, ComparesRuns) {
  const std::vector<Results> results = {results_of(sample_run("a", 96.9)), results_of(sample_run("b", 97.4)), results_of(RunView{})};
  EXPECT_EQ(summary_of({"a", "b", "c"}, results), "The most accurate student comes from b: 97.4%, 0.5 points above the least accurate, a.");
  EXPECT_EQ(summary_of({"c", "d"}, {results[2], results[2]}), "2 runs side by side.");
}

TEST(KeyFigures, CompareWithTheTeacher) {
  const RunView run = sample_run("a");
  const std::vector<Figure> figures = key_figures(run, results_of(run));
  ASSERT_EQ(figures.size(), 4u) << "the ECE of the student is missing";
  EXPECT_EQ(figures[0].value, "96.9%");
  EXPECT_EQ(figures[0].detail, "teacher 98.0%");
  EXPECT_EQ(figures[1].value, "1/40");
  EXPECT_EQ(figures[2].value, "3×");
  EXPECT_EQ(figures[3].value, "27 s");
}

TEST(KeyFigures, FallBackOnMetrics) {
  RunView run;
  run.run = {{"metrics", {{"best", 1.25}, {"note", "x"}}}};
  const std::vector<Figure> figures = key_figures(run, results_of(run));
  ASSERT_EQ(figures.size(), 1u);
  EXPECT_EQ(figures[0].name, "best");
}

}  // namespace
}  // namespace retort::report

#include "retort/report/curves.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace retort::report {
namespace {

using nlohmann::json;

Points line(size_t count, double (*height)(double)) {
  Points points;
  for (size_t i = 0; i < count; ++i) points.push_back({static_cast<double>(i), height(static_cast<double>(i))});
  return points;
}

TEST(Smoothed, LeavesShortAndStraightCurvesAlone) {
  const Points few = line(100, [](double x) { return std::fmod(x, 2); });
  EXPECT_EQ(smoothed(few), few);
  const Points straight = smoothed(line(500, [](double) { return 3.0; }));
  for (const auto& [x, y] : straight) EXPECT_DOUBLE_EQ(y, 3) << x;
}

TEST(Smoothed, CalmsNoiseAndKeepsTheFirstPoint) {
  const Points calm = smoothed(line(1000, [](double x) { return x == 0 ? 9.0 : std::fmod(x, 2); }));
  EXPECT_EQ(calm.front().second, 9);
  for (size_t i = 30; i < 1000; ++i) EXPECT_NEAR(calm[i].second, 0.5, 0.06) << i;
}

TEST(Smoothed, KeepsGapsAndKeepsThemOutOfMeans) {
  Points points = line(200, [](double) { return 1.0; });
  points[100].second = std::numeric_limits<double>::quiet_NaN();
  const Points calm = smoothed(points);
  EXPECT_TRUE(std::isnan(calm[100].second));
  EXPECT_DOUBLE_EQ(calm[99].second, 1);
  EXPECT_DOUBLE_EQ(calm[101].second, 1);
}

TEST(Thinned, HasAtMostTheLimitAndTheTrueEnds) {
  const Points points = line(12345, [](double x) { return 2 * x; });
  const Points thin = thinned(points);
  ASSERT_EQ(thin.size(), 400u);
  EXPECT_EQ(thin.front(), points.front());
  EXPECT_EQ(thin.back(), points.back());
  for (size_t i = 1; i < thin.size(); ++i) {
    EXPECT_GT(thin[i].first, thin[i - 1].first);
    EXPECT_NEAR(thin[i].second, 2 * thin[i].first, 1e-6);
  }
  EXPECT_EQ(thinned(line(400, [](double x) { return x; })).size(), 400u);
}

RunView run_of(const std::vector<std::string>& phases) {
  RunView run;
  for (const std::string& phase : phases) {
    for (int step = 1; step <= 3; ++step) {
      json row = {{"phase", phase}, {"step", step}, {"epoch", 1}, {"kind", "train"}, {"lr", 0.1}, {"loss", 1.0 / step}, {"term.ce", 0.5}};
      if (phase == "student") row["term.kd"] = 0.25;
      run.metrics.push_back(row);
    }
    run.metrics.push_back({{"phase", phase}, {"step", 3}, {"epoch", 1}, {"kind", "eval"}, {"accuracy", 90}, {"nll", 0.3}, {"ece", 2}});
  }
  return run;
}

std::vector<std::string> titles(const std::vector<Chart>& charts) {
  std::vector<std::string> all;
  for (const Chart& chart : charts) all.push_back(chart.title);
  return all;
}

TEST(Curves, OneRunHasALineAPhaseAndOneChartOfTerms) {
  const std::vector<Chart> charts = curves({run_of({"teacher", "alone", "student"})}, {"a"});
  EXPECT_EQ(titles(charts), (std::vector<std::string>{"Training loss", "Accuracy while training", "Negative log-likelihood while training",
                                                      "Calibration error while training", "Terms of the loss: student", "Learning rate"}));
  ASSERT_EQ(charts[0].series.size(), 3u);
  EXPECT_EQ(charts[0].series[2].name, "student");
  EXPECT_EQ(charts[0].series[2].points.size(), 3u);
  EXPECT_DOUBLE_EQ(charts[1].series[0].points[0].second, 90);
  EXPECT_EQ(charts[1].y, "%");
  ASSERT_EQ(charts[4].series.size(), 2u);
  EXPECT_EQ(charts[4].series[0].name, "ce");
}

TEST(Curves, SeveralRunsHaveALineARunOfItsStudent) {
  const std::vector<Chart> charts = curves({run_of({"teacher", "student"}), run_of({"teacher", "stage-2"})}, {"a", "b"});
  ASSERT_EQ(charts[0].title, "Training loss");
  ASSERT_EQ(charts[0].series.size(), 2u);
  EXPECT_EQ(charts[0].series[1].name, "b");
  EXPECT_EQ(charts[0].series[1].points.size(), 3u);
  EXPECT_NE(charts[0].series[0].colour, charts[0].series[1].colour);
  for (const Chart& chart : charts) {
    if (chart.title == "Loss term: kd") EXPECT_EQ(chart.series.size(), 1u);
  }
}

TEST(Curves, ToleratesRowsWithoutStepsNullsAndNothing) {
  RunView run;
  EXPECT_TRUE(curves({run}, {"a"}).empty());
  run.metrics = {json(3),
                 json::object(),
                 {{"step", "x"}, {"loss", 1}},
                 {{"step", 1}, {"loss", nullptr}},
                 {{"step", 2}, {"loss", 2.0}, {"note", "hi"}}};
  const std::vector<Chart> charts = curves({run}, {"a"});
  ASSERT_EQ(charts.size(), 1u);
  ASSERT_EQ(charts[0].series[0].points.size(), 2u);
  EXPECT_TRUE(std::isnan(charts[0].series[0].points[0].second));
}

TEST(Curves, LossOverDecadesGetsALogarithmicAxis) {
  RunView run;
  for (int step = 0; step < 5; ++step) run.metrics.push_back({{"step", step}, {"loss", std::pow(10, -step)}, {"lr", std::pow(10, -step)}});
  const std::vector<Chart> charts = curves({run}, {"a"});
  EXPECT_TRUE(charts[0].log_y);
  EXPECT_FALSE(charts[1].log_y);
  run.metrics.push_back({{"step", 5}, {"loss", -1}});
  EXPECT_FALSE(curves({run}, {"a"})[0].log_y);
}

}  // namespace
}  // namespace retort::report

#include "retort/report/table.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/report/sample.h"

namespace retort::report {
namespace {

using nlohmann::json;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST(ResultsTable, KnowsTeacherAndStudent) {
  const Results results = results_of(sample_run("a"));
  ASSERT_TRUE(results.teacher() && results.student());
  EXPECT_EQ(results.teacher()->name, "teacher");
  EXPECT_EQ(results.student()->name, "student");
  Results other = results;
  other.rows = {{"plain", {}}, {"big", {}}, {"small", {}}};
  other.baseline = "big";
  EXPECT_EQ(other.teacher()->name, "big");
  EXPECT_EQ(other.student()->name, "small");
}

TEST(ResultsTable, MarksTheBestStudentAndTheDistanceFromTheTeacher) {
  const std::string html = results_table({results_of(sample_run("a"))}, {"a"});
  EXPECT_NE(html.find("best\">96.9<"), std::string::npos) << html;
  EXPECT_EQ(html.find("best\">98.0"), std::string::npos) << "the teacher does not compete";
  EXPECT_EQ(html.find("best\">1,810"), std::string::npos) << "equal values have no best";
  EXPECT_NE(html.find("<span class=\"delta bad\">−1.1</span>"), std::string::npos);
  EXPECT_NE(html.find("<span class=\"delta good\">1/40</span>"), std::string::npos);
  EXPECT_NE(html.find("<td class=\"num\">–</td>"), std::string::npos) << "a missing value is a dash without a distance";
}

TEST(ResultsTable, TakesCostsThatAreNearlyAlikeForAlike) {
  RunView run = sample_run("a");
  run.run["table"]["rows"][1]["values"]["latency_1"] = 20.9;
  run.run["table"]["rows"][2]["values"]["parameters"] = 1700;
  const std::string html = results_table({results_of(run)}, {"a"});
  EXPECT_EQ(html.find("best\">20<"), std::string::npos);
  EXPECT_NE(html.find("best\">1,700<"), std::string::npos);
}

TEST(ResultsTable, SeveralRunsHaveAColumnOfNames) {
  const std::vector<Results> results = {results_of(sample_run("a", 96.9)), results_of(sample_run("b", 97.4)), results_of(RunView{})};
  const std::string html = results_table(results, {"run-a", "run-b", "run-c"});
  EXPECT_EQ(count(html, "run-a"), 3u);
  EXPECT_EQ(count(html, "run-b"), 3u);
  EXPECT_EQ(count(html, "run-c"), 0u);
  EXPECT_NE(html.find("best\">97.4<"), std::string::npos);
  EXPECT_EQ(html.find("best\">96.9<"), std::string::npos);
}

TEST(ResultsTable, IsEmptyWithoutRows) {
  EXPECT_EQ(results_table({results_of(RunView{})}, {"a"}), "");
  RunView odd;
  odd.run = {{"table", {{"columns", "none"}, {"rows", {1, "x", json::array()}}}}};
  EXPECT_EQ(results_of(odd).rows.size(), 3u);
  EXPECT_NO_THROW(results_table({results_of(odd)}, {"a"}));
}

TEST(ResultsTable, EscapesNames) {
  RunView run = sample_run("a");
  run.run["table"]["rows"][1]["name"] = "<b>";
  run.run["table"]["columns"][0]["title"] = "</th><script>";
  run.run["table"]["columns"][0]["unit"] = "<i>";
  const std::string html = results_table({results_of(run)}, {"a"});
  EXPECT_EQ(html.find("<b>"), std::string::npos);
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_EQ(html.find("<i>"), std::string::npos);
}

TEST(Cells, HaveUnits) {
  EXPECT_EQ(with_unit({"a", "a", "%", "", 1}, 97.12), "97.1%");
  EXPECT_EQ(with_unit({"a", "a", "µs", "", 0}, 12.3), "12\u00a0µs");
  EXPECT_EQ(with_unit({"a", "a", "B", "", 0}, 8216), "8.2\u00a0kB");
  EXPECT_EQ(with_unit({"a", "a", "%", "", 1}, std::nan("")), "–");
}

TEST(Cells, KnowUnitsByTheirPlainNames) {
  const auto unit = [](const char* name) { return column_in({{"key", "a"}, {"unit", name}, {"better", "lower"}}); };
  EXPECT_EQ(unit("us/image").unit, "µs/image");
  EXPECT_TRUE(unit("us/image").cost());
  EXPECT_EQ(unit("bytes").unit, "B");
  EXPECT_TRUE(unit("bytes").cost());
  EXPECT_EQ(unit("users").unit, "users");
  EXPECT_FALSE(unit("%").cost());
}

TEST(PlainTable, WritesNumbersAndTexts) {
  const json columns = {{{"key", "stage"}, {"title", "stage"}}, {{"key", "time"}, {"unit", "s"}, {"digits", 1}}};
  const json rows = {{{"stage", "teacher & co"}, {"time", 8.14}}, {{"stage", 2}, {"time", nullptr}}, 5};
  const std::string html = plain_table(columns, rows, "Stages");
  EXPECT_NE(html.find("<th scope=\"row\">teacher &amp; co</th><td class=\"num\">8.1</td>"), std::string::npos) << html;
  EXPECT_NE(html.find("<td class=\"num\">–</td>"), std::string::npos);
  EXPECT_NE(html.find("aria-label=\"Stages\" tabindex=\"0\""), std::string::npos);
}

}  // namespace
}  // namespace retort::report

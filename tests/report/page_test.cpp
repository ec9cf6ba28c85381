#include "retort/report/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/report/assets.h"
#include "tests/report/sample.h"

namespace retort {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// The page without Chart.js, style and script: what is left depends on the runs.
std::string own_part(std::string page) {
  const auto drop = [&](const std::string& open, const std::string& close) {
    for (size_t at = page.find(open); at != std::string::npos; at = page.find(open, at))
      page.erase(at, page.find(close, at) + close.size() - at);
  };
  drop("<style>", "</style>");
  drop("<script nonce=", "</script>");
  return page;
}

json chart_data(const std::string& page) {
  const std::string open = "id=\"chart-data\"";
  const size_t start = page.find('>', page.find(open)) + 1;
  return json::parse(page.substr(start, page.find("</script>", start) - start));
}

// Tags of a text, in order: "div", "/div" …; without those that close themselves ("<path …/>").
std::vector<std::string> tags(const std::string& html) {
  std::vector<std::string> all;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html[html.find('>', at) - 1] == '/') continue;
    const size_t end = html.find_first_of(" >", at);
    all.push_back(html.substr(at + 1, end - at - 1));
  }
  return all;
}

void expect_well_formed(const std::string& html) {
  std::vector<std::string> open;
  for (const std::string& tag : tags(html)) {
    if (tag == "!doctype" || tag == "meta" || tag == "img") continue;
    if (tag[0] != '/') {
      open.push_back(tag);
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    ASSERT_EQ("/" + open.back(), tag);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

TEST(Page, IsWellFormed) {
  expect_well_formed(own_part(render_report({sample_run("quickstart")})));
  expect_well_formed(own_part(render_report({sample_run("a"), sample_run("b"), RunView{}})));
}

TEST(Page, TellsTheRun) {
  const std::string html = own_part(render_report({sample_run("quickstart")}));
  for (const char* part :
       {"<title>quickstart · retort</title>", "keeps 98.9% of the teacher’s accuracy at 1/40 of its size",
        "digits: 1,257 train, 180 validation, 360 test", "retort distill runs/quickstart/recipe.toml --set run.dir=runs/quickstart-again",
        "1 of 12 wrong (8.3%)", "data:image/png;base64,", "2026-01-02 03:04:05 UTC", "Written by retort 0.1.0.", "libtorch",
        "<span class=\"section\">[knobs]</span>", "<noscript>"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
}

TEST(Page, HoldsChartJsAndItsDataAndNothingFromOutside) {
  const std::string html = render_report({sample_run("quickstart")});
  EXPECT_GT(report::chart_library().size(), 100000u);
  EXPECT_NE(html.find("Chart.js v"), std::string::npos);
  const json charts = chart_data(html);
  ASSERT_EQ(charts.size(), 3u);  // loss, learning rate, reliability
  EXPECT_EQ(charts[0]["series"][0]["points"], json::parse("[[1.0,1.0],[2.0,0.5],[3.0,0.33333]]"));
  EXPECT_EQ(charts[2]["series"][0]["points"].size(), 1u) << "empty bins are left out";
  EXPECT_FALSE(std::regex_search(own_part(html), std::regex("(src|href)=\"(?!data:|#)"))) << "nothing is loaded";
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
}

TEST(Page, AssetsCannotEndTheirElements) {
  const std::string html = render_report({sample_run("quickstart")});
  size_t closed = 0;
  for (size_t at = html.find("</script"); at != std::string::npos; at = html.find("</script", at + 1)) ++closed;
  EXPECT_EQ(closed, 3u);  // data, Chart.js, the page's own
  EXPECT_EQ(report::style_sheet().find("</"), std::string_view::npos);
}

// Every text a run can hold, hostile.
TEST(Page, StrangersCannotBreakOut) {
  const std::string evil = "</script></style><img src=x onerror=alert(1)>\"'><svg onload=alert(2)>";
  RunView run = sample_run("x");
  const auto poison = [&](auto& self, json& value) -> void {
    if (value.is_string()) value = value == "B" || value == kTinyPng ? value : json(value.get<std::string>() + evil);
    if (value.is_object() || value.is_array()) {
      for (json& entry : value) self(self, entry);
    }
  };
  json panels = run.run["panels"];
  run.run["panels"] = json::array();
  poison(poison, run.run);
  run.run["versions"][evil] = evil;
  run.run["metrics"][evil] = 1;
  for (json& panel : panels) {
    const std::string kind = panel["kind"];
    poison(poison, panel);
    panel["kind"] = kind;
  }
  panels.push_back({{"kind", evil}, {"title", evil}});
  panels.push_back({{"kind", "bars"},
                    {"title", evil},
                    {"x", evil},
                    {"y", evil},
                    {"categories", {evil}},
                    {"series", {{{"name", evil}, {"values", {1}}}}}});
  panels.push_back({{"kind", "heatmap"}, {"title", evil}, {"x", {evil}}, {"y", {evil}}, {"values", {{1}}}});
  panels.push_back({{"kind", "text"}, {"title", evil}, {"paragraphs", {evil}}});
  panels.push_back({{"kind", "table"},
                    {"title", evil},
                    {"columns", {{{"key", "a"}, {"title", evil}, {"unit", evil}, {"better", evil}}}},
                    {"rows", {{{"a", evil}}}}});
  run.run["panels"] = panels;
  run.folder = evil;
  run.recipe = "[" + evil + "]\nx = \"" + evil + "\"\n# " + evil + "\n";
  for (json& row : run.metrics) row["phase"] = evil, row["term." + evil] = 1, row[evil] = 2;
  for (const std::string& html : {own_part(render_report({run})), own_part(render_report({run, run}))}) {
    const std::vector<std::string> all = tags(html);
    EXPECT_LE(std::count(all.begin(), all.end(), "img"), 2);  // the one picture of each run
    EXPECT_EQ(html.find("<img src=x"), std::string::npos);
    EXPECT_EQ(html.find("<svg onload"), std::string::npos);
    expect_well_formed(html);
    const json charts = chart_data(html);
    EXPECT_NE(charts.dump().find("onerror"), std::string::npos) << "the name is kept, as data";
  }
}

TEST(Page, ToleratesAlmostNothing) {
  const char* const all_wrong = R"({"table": 7, "panels": {}, "versions": [], "data": "x", "metrics": "x", "name": 5, "status": []})";
  const char* const half_wrong = R"({"table": {"rows": [null, {"values": {"accuracy": "high"}}], "columns": [{"key": "accuracy"}, null, 3]},
                                     "panels": [{"kind": "confusion", "counts": "x"}]})";
  for (const char* text : {"null", "{}", "[]", "7", all_wrong, half_wrong}) {
    RunView run;
    run.run = json::parse(text);
    const std::string html = render_report({run});
    EXPECT_NE(html.find("</html>"), std::string::npos) << text;
    EXPECT_EQ(own_part(html).find("nan"), std::string::npos) << text;
  }
}

TEST(Page, WithoutChartsIsSmall) {
  RunView run;
  run.run = {{"name", "a"}};
  const std::string html = render_report({run});
  EXPECT_LT(html.size(), 60000u);
  EXPECT_EQ(chart_data(html), json::array());
}

TEST(Page, WritesWhatIsNotFiniteAsADash) {
  RunView run = sample_run("a");
  run.run["table"]["rows"][2]["values"]["accuracy"] = std::nan("");
  run.metrics[1]["loss"] = std::nan("");
  const std::string html = render_report({run});
  EXPECT_NE(html.find("<td class=\"num\">–</td>"), std::string::npos);
  EXPECT_TRUE(chart_data(html)[0]["series"][0]["points"][1][1].is_null());
}

TEST(Page, SetsManyRunsSideBySide) {
  std::vector<RunView> runs;
  for (int i = 0; i < 12; ++i) {
    runs.push_back(sample_run("run-" + std::to_string(i), 90 + i * 0.5));
    runs.back().recipe = "seed = " + std::to_string(i) + "\n[train]\nlr = 0.1\n";
  }
  const std::string html = own_part(render_report(runs));
  EXPECT_NE(html.find("12 runs compared"), std::string::npos);
  EXPECT_NE(html.find("<code>seed</code>"), std::string::npos);
  EXPECT_EQ(html.find("<code>train.lr</code>"), std::string::npos) << "only what differs";
  const json charts = chart_data(html);
  EXPECT_EQ(charts[0]["series"].size(), 12u);
  EXPECT_EQ(charts[0]["series"][11]["dashed"], true) << "colours repeat, so the line is told apart otherwise";
}

TEST(WriteReport, ReadsFoldersAndWritesOnePage) {
  const fs::path folder = fs::temp_directory_path() / "retort_report_page_test";
  fs::remove_all(folder);
  fs::create_directories(folder / "it's a run");
  std::ofstream(folder / "it's a run" / "run.json") << sample_run("one").run.dump();
  std::ofstream(folder / "it's a run" / "recipe.toml") << "seed = 1\n";
  const std::string path = (folder / "report.html").string();
  write_report({(folder / "it's a run").string() + "/"}, path);
  const std::string html = read_file(path);
  EXPECT_NE(html.find("one"), std::string::npos);
  EXPECT_NE(html.find("it&#39;\\&#39;&#39;s a run/recipe.toml&#39;"), std::string::npos) << "the command is a shell's word";
  EXPECT_THROW(write_report({}, path), ConfigError);
  EXPECT_THROW(write_report({(folder / "nowhere").string()}, path), DataError);
  EXPECT_EQ(read_file(path), html) << "a failed report leaves the old one";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace retort

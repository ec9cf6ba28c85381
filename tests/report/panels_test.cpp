#include "retort/report/panels.h"

#include <gtest/gtest.h>

#include "retort/report/matrix.h"
#include "retort/report/pictures.h"
#include "tests/report/sample.h"

namespace retort::report {
namespace {

using nlohmann::json;

TEST(Panels, EveryKindHasACard) {
  const json points = {{{"name", "a"}, {"points", {{0, 1}, {1, nullptr}, "x", {2}}}}};
  const json panels = {
      {{"kind", "reliability"}, {"series", {{{"name", "a"}, {"bins", {{{"confidence", 0.5}, {"accuracy", 0.4}, {"count", 3}}}}}}}},
      {{"kind", "confusion"}, {"counts", {{1}}}},
      {{"kind", "images"}, {"items", {{{"png", kTinyPng}}}}},
      {{"kind", "lines"}, {"series", points}, {"log_y", true}},
      {{"kind", "scatter"}, {"series", points}},
      {{"kind", "heatmap"}, {"values", {{1, 2}, {3, nullptr}}}, {"x", {"a", "b"}}, {"y", {"c", "d"}}, {"digits", 1}},
      {{"kind", "bars"}, {"categories", {"a", "b"}}, {"series", {{{"name", "s"}, {"values", {1, nullptr}}, {"errors", {0.1, nullptr}}}}}},
      {{"kind", "text"}, {"paragraphs", {"one", "two"}}},
      {{"kind", "table"}, {"columns", {{{"key", "a"}}}}, {"rows", {{{"a", 1}}}}},
  };
  ChartBook book;
  EXPECT_EQ(panel_cards(panels, book).size(), panels.size());
}

TEST(Panels, WithoutContentAreLeftOutAndUnknownOnesSayso) {
  ChartBook book;
  json panels = json::array({nullptr, 5});
  for (const char* kind : {"reliability", "confusion", "images", "lines", "scatter", "heatmap", "bars", "text", "table"})
    panels.push_back({{"kind", kind}, {"series", "?"}});
  const std::vector<Card> cards = panel_cards(panels, book);
  ASSERT_EQ(cards.size(), 2u) << "the two that have no kind";
  EXPECT_NE(cards[0].html.find("cannot show"), std::string::npos);
  EXPECT_TRUE(book.empty());
  EXPECT_TRUE(panel_cards("none", book).empty());
}

TEST(Panels, TheLastNarrowCardIsWidenedWhenOneIsOver) {
  const std::string html = arranged({{"<a>", false}, {"<b>", true}, {"<c>", false}, {"<d>", false}});
  EXPECT_NE(html.find("<div><c></div><div class=\"wide\"><d></div>"), std::string::npos) << html;
  EXPECT_EQ(arranged({}), "");
}

TEST(Confusions, AreReadTolerantly) {
  const Confusion confusion = confusion_of({{"classes", {"cat"}}, {"counts", {{5, 1}, {"x"}}}});
  EXPECT_EQ(confusion.classes, (std::vector<std::string>{"cat", "1"}));
  EXPECT_EQ(confusion.counts, (std::vector<std::vector<double>>{{5, 1}, {0, 0}}));
}

TEST(Confusions, AreToldInWords) {
  const auto words = [](const json& counts) { return confusion_in_words(confusion_of({{"counts", counts}})); };
  EXPECT_EQ(words({{5, 0}, {0, 4}}), "All 9 right. A row is a true class, a column what was answered.");
  EXPECT_EQ(words({{5, 1}, {4, 10}}),
            "5 of 20 wrong (25.0%), most often 1 taken for 0 (4 times). A row is a true class, a column what was answered.");
  EXPECT_EQ(words({{0, 0}, {0, 0}}), "");
}

TEST(Confusions, ShowCountsUntilThereAreTooManyClasses) {
  const std::string small = confusion_table(confusion_of({{"counts", {{5, 1}, {0, 6}}}}), "c");
  EXPECT_NE(small.find(">5</td>"), std::string::npos);
  EXPECT_NE(small.find("title=\"0 taken for 1: 1\""), std::string::npos);
  json many = json::array();
  for (int i = 0; i < 100; ++i) {
    many.push_back(std::vector<int>(100, 0));
    many.back()[i] = 7;
  }
  const std::string large = confusion_table(confusion_of({{"counts", many}}), "c");
  EXPECT_EQ(large.find(">7</td>"), std::string::npos);
  EXPECT_NE(large.find("title=\"99 taken for 99: 7\""), std::string::npos);
}

TEST(Heatmaps, WriteDigitsAndDashes) {
  const std::string html = heatmap_table({{"values", {{1.25, nullptr}, {3}}}, {"x", {"<a>", "b"}}, {"y", {"c"}}, {"digits", 1}});
  EXPECT_NE(html.find("&lt;a&gt;"), std::string::npos);
  EXPECT_NE(html.find(">1.2</td>"), std::string::npos);
  EXPECT_NE(html.find(">3.0</td>"), std::string::npos);
  EXPECT_NE(html.find(">–</td>"), std::string::npos);
}

TEST(Pictures, AreEnlargedByWholeFactors) {
  EXPECT_EQ(png_size(kTinyPng), (std::pair<int64_t, int64_t>{2, 3}));
  const std::string strip = picture_strip({{{"png", kTinyPng}, {"caption", "a\nb"}}});
  EXPECT_NE(strip.find("width=\"96\" height=\"144\""), std::string::npos) << strip;
}

TEST(Pictures, ThatAreNoPngAreNotPutOnThePage) {
  for (const std::string& bad : {std::string(), std::string("AAAA"), std::string("\"><script>"), std::string(kTinyPng) + "\" onload=\"x"}) {
    EXPECT_EQ(png_size(bad), (std::pair<int64_t, int64_t>{0, 0})) << bad;
    const std::string strip = picture_strip({{{"png", bad}, {"caption", "<c>"}}});
    EXPECT_EQ(strip.find("<img"), std::string::npos);
    EXPECT_NE(strip.find("&lt;c&gt;"), std::string::npos);
  }
}

}  // namespace
}  // namespace retort::report

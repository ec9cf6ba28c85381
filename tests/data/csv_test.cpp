#include "retort/data/csv.h"

#include "tests/data/support.h"

namespace retort {
namespace {

using Rows = std::vector<std::vector<std::string>>;

TEST(Csv, ReadsFields) {
  const CsvText csv = parse_csv("a, b ,c\n1,,3\n\n  4 ,5,6", "x");
  EXPECT_EQ(csv.rows, (Rows{{"a", "b", "c"}, {"1", "", "3"}, {"4", "5", "6"}}));
  EXPECT_EQ(csv.lines, (std::vector<int64_t>{1, 2, 4}));
}

TEST(Csv, ReadsQuotedFields) {
  const CsvText csv = parse_csv("\"a,1\",\"say \"\"yes\"\"\"\r\n\"two\nlines\", \" kept \" \r\nx,y\r\n", "x");
  EXPECT_EQ(csv.rows, (Rows{{"a,1", "say \"yes\""}, {"two\nlines", " kept "}, {"x", "y"}}));
  EXPECT_EQ(csv.lines, (std::vector<int64_t>{1, 2, 4}));
}

TEST(Csv, FindsTheSeparator) {
  EXPECT_EQ(parse_csv("a\tb,c\n1\t2\n", "x").rows, (Rows{{"a", "b,c"}, {"1", "2"}}));
  EXPECT_EQ(parse_csv("a;b\n1;2\n", "x").rows, (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(parse_csv("a;b\n1;2\n", "x", ',').rows, (Rows{{"a;b"}, {"1;2"}}));
  EXPECT_EQ(parse_csv("\xEF\xBB\xBF"
                      "a,b\n1,\n",
                      "x")
                .rows,
            (Rows{{"a", "b"}, {"1", ""}}));
}

TEST(Csv, RefusesDamage) {
  const auto line = [](const std::string& text) { return line_of<DataError>([&] { parse_csv(text, "t.csv"); }); };
  EXPECT_EQ(line("a,b\n1,2\n1,2,3\n"), "t.csv:3: 3 fields, expected 2 as in line 1");
  EXPECT_EQ(line("a,b\n\n1\n"), "t.csv:3: 1 fields, expected 2 as in line 1");
  EXPECT_EQ(line("a,b\n1,\"2\n3,4\n"), "t.csv:2: a quote opens and never closes");
  EXPECT_EQ(line("a,b\n\"1\"2,3\n"), "t.csv:2: text after a closing quote: '2'");
  EXPECT_EQ(line(std::string("a,b\n1,\0\n", 8)), "t.csv:2: a zero byte, expected text");
  EXPECT_EQ(line("\n \n"), "t.csv: no rows in the table");
}

TEST(Csv, KnowsNumbers) {
  EXPECT_EQ(as_number("-1.5e2"), -150);
  EXPECT_EQ(as_number("+3"), 3);
  for (const char* text : {"", "1x", "nan", "inf", "1e999", "1e39", "+-1", "0x1", "1,5"}) EXPECT_FALSE(as_number(text)) << text;
}

}  // namespace
}  // namespace retort

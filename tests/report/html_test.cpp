#include "retort/report/html.h"

#include <cmath>

#include <gtest/gtest.h>

namespace retort::report {
namespace {

TEST(Html, EscapesEverythingThatCouldEndTextOrAttribute) {
  EXPECT_EQ(escape("<a href=\"x\" b='&'>"), "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;");
}

TEST(Html, ScriptJsonHasNoAngleBracketAndStaysTheSameValue) {
  const nlohmann::json value = {{"a</script><!--", "</ScRiPt >"}, {"nan", std::nan("")}};
  const std::string text = script_json(value);
  EXPECT_EQ(text.find('<'), std::string::npos);
  const nlohmann::json back = nlohmann::json::parse(text);
  EXPECT_EQ(back["a</script><!--"], "</ScRiPt >");
  EXPECT_TRUE(back["nan"].is_null());
}

TEST(Html, ScriptJsonSurvivesBrokenUtf8) { EXPECT_NO_THROW(script_json(std::string("\xff\xfe"))); }

TEST(Html, Numbers) {
  EXPECT_EQ(number(1810, 0), "1,810");
  EXPECT_EQ(number(1234567.891, 1), "1,234,567.9");
  EXPECT_EQ(number(999, 0), "999");
  EXPECT_EQ(number(-0.25, 2), "−0.25");
  EXPECT_EQ(number(-0.001, 2), "0.00");
  EXPECT_EQ(number(std::nan(""), 2), kMissing);
  EXPECT_EQ(number(INFINITY, 2), kMissing);
  EXPECT_EQ(number(0.002), "0.002");
  EXPECT_EQ(number(12), "12");
  EXPECT_EQ(number(3.14159), "3.142");
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-2e-7), "−2e-07");
}

TEST(Html, SignedNumbers) {
  EXPECT_EQ(signed_number(1.4, 1), "+1.4");
  EXPECT_EQ(signed_number(-1.4, 1), "−1.4");
  EXPECT_EQ(signed_number(-0.001, 1), "±0.0");
}

TEST(Html, Ratios) {
  EXPECT_EQ(ratio(1810, 72400), "1/40");
  EXPECT_EQ(ratio(10, 34), "1/3.4");
  EXPECT_EQ(ratio(10, 30), "1/3");
  EXPECT_EQ(ratio(16, 10), "× 1.6");
  EXPECT_EQ(ratio(10, 10), "× 1");
  EXPECT_EQ(ratio(100, 101), "× 1");
  EXPECT_EQ(ratio(0, 10), kMissing);
}

TEST(Html, BytesAndDurations) {
  EXPECT_EQ(bytes(999), "999\u00a0B");
  EXPECT_EQ(bytes(8216), "8.2\u00a0kB");
  EXPECT_EQ(bytes(341016), "341\u00a0kB");
  EXPECT_EQ(bytes(2.5e6), "2.5\u00a0MB");
  EXPECT_EQ(duration(0.84), "0.8 s");
  EXPECT_EQ(duration(42.2), "42 s");
  EXPECT_EQ(duration(192), "3 min 12 s");
  EXPECT_EQ(duration(7500), "2 h 05 min");
  EXPECT_EQ(duration(59.7), "1 min 00 s");
}

TEST(Html, RoundedToSignificantDigits) {
  EXPECT_DOUBLE_EQ(rounded(123456, 3), 123000);
  EXPECT_DOUBLE_EQ(rounded(0.00123456, 3), 0.00123);
  EXPECT_EQ(rounded(0, 3), 0);
}

}  // namespace
}  // namespace retort::report

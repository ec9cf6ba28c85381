#include "retort/base/knobs.h"

#include <limits>

#include <gtest/gtest.h>

namespace retort {
namespace {

struct Section {
  int64_t epochs = 3;
  double lr = 0.1;
  bool nesterov = true;
  std::string kind = "sgd";
  std::vector<double> betas = {0.9, 0.999};
  void describe(Knobs& knobs) {
    knobs("epochs", epochs, "passes over the data", at_least(1));
    knobs("lr", lr, "learning rate", above(0));
    knobs("nesterov", nesterov, "look ahead");
    knobs("kind", kind, "optimiser", one_of({"sgd", "adam"}));
    knobs("betas", betas, "of adam", between(0, 1));
  }
};

TEST(Knobs, AreBoundToTheFieldsOfTheirSection) {
  Section section;
  Knobs knobs = knobs_of(section);
  ASSERT_EQ(knobs.all().size(), 5u);
  EXPECT_EQ(knobs.all()[0].name, "epochs");
  knobs.find("epochs")->set(int64_t(7));
  EXPECT_EQ(section.epochs, 7);
  section.lr = 0.5;
  EXPECT_EQ(std::get<double>(knobs.find("lr")->get()), 0.5);
  EXPECT_EQ(std::get<double>(knobs.find("lr")->initial), 0.1);
  EXPECT_EQ(knobs.find("nothing"), nullptr);
}

TEST(Knobs, RefuseANameTwice) {
  Knobs knobs;
  int64_t field = 0;
  knobs("a", field, "");
  EXPECT_THROW(knobs("a", field, ""), std::logic_error);
}

TEST(Ranges, HoldTheirBounds) {
  EXPECT_FALSE(above(0).accepts(0.0));
  EXPECT_TRUE(above(0).accepts(1e-300));
  EXPECT_TRUE(at_least(1).accepts(int64_t(1)));
  EXPECT_FALSE(at_least(1).accepts(int64_t(0)));
  EXPECT_TRUE(between(0, 1).accepts(std::vector<double>{0, 0.5, 1}));
  EXPECT_FALSE(between(0, 1).accepts(std::vector<double>{0, 1.5}));
  EXPECT_FALSE(above(0).accepts(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_TRUE(one_of({"a", "b"}).accepts(std::string("b")));
  EXPECT_FALSE(one_of({"a", "b"}).accepts(std::string("c")));
  EXPECT_FALSE(one_of({"a", "b"}).accepts(std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(above(0).text, "> 0");
  EXPECT_EQ(at_least(0.5).text, ">= 0.5");
  EXPECT_EQ(between(0, 1).text, "from 0 to 1");
  EXPECT_EQ(one_of({"a", "b"}).text, "one of a, b");
}

TEST(ToToml, WritesWhatReadsBack) {
  EXPECT_EQ(to_toml(true), "true");
  EXPECT_EQ(to_toml(int64_t(-3)), "-3");
  EXPECT_EQ(to_toml(4.0), "4.0");
  EXPECT_EQ(to_toml(0.1), "0.1");
  EXPECT_EQ(to_toml(1e20), "1e+20");
  EXPECT_EQ(to_toml(std::string("a\"b\\c\nd\x01")), R"("a\"b\\c\nd\u0001")");
  EXPECT_EQ(to_toml(std::vector<int64_t>{1, 2}), "[1, 2]");
  EXPECT_EQ(to_toml(std::vector<std::string>{}), "[]");
}

TEST(TypeName, SpeaksOfValuesAsPeopleDo) {
  EXPECT_EQ(type_name(true), "true or false");
  EXPECT_EQ(type_name(int64_t(1)), "whole number");
  EXPECT_EQ(type_name(1.0), "number");
  EXPECT_EQ(type_name(std::string()), "text");
  EXPECT_EQ(type_name(std::vector<double>{}), "list of numbers");
}

}  // namespace
}  // namespace retort

#include "retort/data/char_windows.h"

#include "retort/base/file.h"
#include "tests/data/support.h"
#include "tests/support.h"

namespace retort {
namespace {

DataKnobs knobs_for(const std::string& source) {
  DataKnobs knobs;
  knobs.source = source;
  knobs.normalise = "none";
  return knobs;
}

TEST(CharWindows, ByHand) {
  CharKnobs knobs;
  knobs.context = 3;
  knobs.stride = 2;
  const Dataset data = char_windows("abcabca", "abc", knobs);
  EXPECT_TRUE(data.inputs.equal(at::tensor({0.0F, 1.0F, 2.0F, 2.0F, 0.0F, 1.0F}).view({2, 3})));
  EXPECT_TRUE(data.labels.equal(at::tensor({0, 2}, at::kLong)));
  EXPECT_EQ(data.spec.shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(char_windows("abc", "abc", knobs).size(), 0) << "no character is left to guess";
  EXPECT_EQ(char_windows("abca", "abc", knobs).size(), 1);
}

TEST(CharWindows, TheLastTenthIsTheTestPart) {
  Scratch scratch;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ab c\n";
  write_file(scratch.file("t.txt"), text);
  const Source source = open_source(knobs_for("chars:" + scratch.file("t.txt") + ",context=4,stride=1"), Seed(1));
  EXPECT_EQ(source.train.size(), 450 - 4);
  EXPECT_EQ(source.test.size(), 50 - 4);
  EXPECT_EQ(source.test.ids[0].item<int64_t>(), 446);
  EXPECT_EQ(source.train.spec.classes, (std::vector<std::string>{"0x0a", "0x20", "a", "b", "c"}));
  const Splits splits = load_splits(knobs_for("chars:" + scratch.file("t.txt") + ",context=4"), Seed(1));
  EXPECT_TRUE(prepare(splits.train.inputs, splits.train.spec).equal(splits.train.inputs)) << "places in the alphabet stay whole numbers";
}

TEST(CharWindows, RefusesWhatIsNoText) {
  Scratch scratch;
  write_file(scratch.file("one.txt"), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  write_file(scratch.file("short.txt"), "abcdefgh");
  const auto open = [&](const std::string& rest) { open_source(knobs_for("chars:" + scratch.file(rest)), Seed(1)); };
  EXPECT_NE(caught<DataError>([&] { open("one.txt"); }).line.find("fewer than two different characters"), std::string::npos);
  EXPECT_NE(caught<DataError>([&] { open("short.txt"); }).line.find("8 characters are too few for windows of 16"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { open("short.txt,contex=3"); }).line.find("a text has no option 'contex'"), std::string::npos);
  DataKnobs scaled = knobs_for("chars:" + scratch.file("short.txt"));
  scaled.normalise = "standard";
  EXPECT_NE(caught<ConfigError>([&] { open_source(scaled, Seed(1)); }).line.find("data.normalise"), std::string::npos);
}

}  // namespace
}  // namespace retort

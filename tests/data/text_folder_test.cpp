#include "retort/data/text_folder.h"

#include "tests/data/support.h"

namespace retort {
namespace {

std::vector<float> bag(std::string_view text, int64_t features = 256) {
  std::vector<float> out(static_cast<size_t>(features));
  hashed_words(text, features, out.data());
  return out;
}

TEST(TextFolder, WordsAreCountedWhateverTheirCaseAndPunctuation) {
  EXPECT_EQ(bag("A good film."), bag("a  GOOD, film!"));
  EXPECT_NE(bag("a good film"), bag("a film good"));  // pairs differ
  EXPECT_EQ(bag("it's"), bag("It's"));
  EXPECT_NE(bag("it's"), bag("it s"));
}

TEST(TextFolder, ABagByHand) {
  // One word, one place; its row has length sqrt(features) / 8. FNV-1a of "a" is 0xaf63dc4c8601ec8c.
  const auto one = bag("a");
  EXPECT_FLOAT_EQ(one[0x8c], 2);
  EXPECT_EQ(std::count(one.begin(), one.end(), 0.f), 255);
  const auto twice = bag("a a a");  // the word thrice, the pair twice
  double squares = 0;
  for (const float v : twice) squares += v * v;
  EXPECT_NEAR(squares, 4, 1e-5);
  EXPECT_NEAR(twice[0x8c] / std::sqrt(squares - twice[0x8c] * twice[0x8c]), (1 + std::log(3)) / (1 + std::log(2)), 1e-4);
  EXPECT_EQ(bag(" ,; "), std::vector<float>(256));
}

TEST(TextFolder, OneFileIsAClass) {
  const TemporaryFolder folder;
  folder.write("a/polarity.pos", "fine\nvery fine\n");
  folder.write("a/polarity.neg", "bad\n\n \r\nworse\nworst");
  ASSERT_TRUE(is_text_folder(folder.path("a")));
  const Dataset data = read_text_folder(folder.path("a"), 64);
  EXPECT_EQ(data.spec.classes, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_TRUE(data.labels.equal(at::tensor({0, 0, 0, 1, 1}, at::kLong)));
  EXPECT_TRUE(data.ids.equal(at::arange(5, at::kLong)));
  EXPECT_EQ(data.inputs.sizes(), at::IntArrayRef({5, 64}));
  folder.write("b/dogs.txt", "bow\n");
  folder.write("b/cats.txt", "mew\n");
  EXPECT_EQ(read_text_folder(folder.path("b"), 8).spec.classes, (std::vector<std::string>{"cats", "dogs"}));
}

TEST(TextFolder, OtherFoldersAreNone) {
  const TemporaryFolder folder;
  folder.write("one/a.txt", "x\n");
  folder.write("mixed/a.txt", "x\n");
  folder.write("mixed/b.png", "x\n");
  folder.write("deep/a/b.txt", "x\n");
  for (const char* name : {"one", "mixed", "deep", "missing"}) EXPECT_FALSE(is_text_folder(folder.path(name))) << name;
}

TEST(TextFolder, RefusesWhatIsNoText) {
  const TemporaryFolder folder;
  folder.write("a/x.txt", "fine\n");
  folder.write("a/y.txt", " \n");
  EXPECT_EQ(line_of<DataError>([&] { read_text_folder(folder.path("a"), 8); }),
            folder.path("a/y.txt") + ": holds no line of text: expected the samples of class 'y'");
  folder.write("a/y.txt", std::string("a\0b", 3));
  EXPECT_NE(line_of<DataError>([&] { read_text_folder(folder.path("a"), 8); }).find("a zero byte at offset 1"), std::string::npos);
}

TEST(TextFolder, ReviewsAreFoundByName) {
  DataKnobs knobs;
  knobs.source = "mr", knobs.normalise = "none", knobs.train = 1000, knobs.text_features = 512;
  const auto known = known_data();
  if (std::none_of(known.begin(), known.end(), [](const DataEntry& e) { return e.name == "mr" && !e.found_at.empty(); }))
    GTEST_SKIP() << "no mr here";
  const Splits splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(splits.train.size(), 1000);
  EXPECT_EQ(splits.test.size(), 10662 - 1000);
  EXPECT_EQ(splits.train.spec.classes, (std::vector<std::string>{"neg", "pos"}));
}

}  // namespace
}  // namespace retort

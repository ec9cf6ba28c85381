#include "retort/data/idx.h"

#include "tests/data/support.h"

namespace retort {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values) text += static_cast<char>(value);
  return text;
}

const std::string kTwoImages = bytes({0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 255});

TEST(Idx, ReadsBytes) {
  const Tensor images = parse_idx(kTwoImages, "x");
  EXPECT_TRUE(images.equal(at::tensor({10, 20, 30, 255}, at::kByte).view({2, 1, 2})));
}

TEST(Idx, TurnsBigEndianNumbers) {
  EXPECT_TRUE(
      parse_idx(bytes({0, 0, 0x0C, 1, 0, 0, 0, 2, 0, 0, 1, 2, 0xFF, 0xFF, 0xFF, 0xFE}), "x").equal(at::tensor({258, -2}, at::kInt)));
  EXPECT_TRUE(parse_idx(bytes({0, 0, 0x0B, 1, 0, 0, 0, 1, 1, 0}), "x").equal(at::tensor({256}, at::kShort)));
  EXPECT_TRUE(parse_idx(bytes({0, 0, 0x0D, 1, 0, 0, 0, 1, 0x3F, 0xC0, 0, 0}), "x").equal(at::tensor({1.5f})));
  EXPECT_TRUE(parse_idx(bytes({0, 0, 0x0E, 1, 0, 0, 0, 1, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0}), "x").equal(at::tensor({1.5}, at::kDouble)));
  EXPECT_TRUE(parse_idx(bytes({0, 0, 0x09, 1, 0, 0, 0, 1, 0xFF}), "x").equal(at::tensor({-1}, at::kChar)));
}

TEST(Idx, RefusesDamage) {
  const auto line = [](const std::string& text) { return line_of<DataError>([&] { parse_idx(text, "a.idx"); }); };
  EXPECT_EQ(line(""), "a.idx: an IDX file starts with 4 bytes, found 0");
  EXPECT_EQ(line(bytes({0x1F, 0x8B, 8, 0})), "a.idx: wrong magic number at offset 0: expected 00 00 TYPE DIMENSIONS, found 1f 8b 08 00");
  EXPECT_HAS(line(bytes({0, 0, 0x0A, 1, 0, 0, 0, 0})), "wrong magic number");
  EXPECT_HAS(line(bytes({0, 0, 8, 9, 0, 0, 0, 0})), "wrong magic number");
  EXPECT_EQ(line(bytes({0, 0, 8, 3, 0, 0, 0, 2})), "a.idx: the header of 3 dimensions takes 16 bytes, the file has 8");
  EXPECT_EQ(line(kTwoImages.substr(0, 19)), "a.idx: truncated at offset 19: expected 4 bytes of values, found 3");
  EXPECT_EQ(line(kTwoImages + "z"), "a.idx: extra bytes at offset 20: expected 4 bytes of values, found 5");
  EXPECT_EQ(line(bytes({0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255})),
            "a.idx: impossible size at offset 8: dimension 1 is 4294967295");
}

TEST(Idx, ReadsAPairOfFiles) {
  TemporaryFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", kTwoImages),
                    labels = folder.write("train-labels-idx1-ubyte", bytes({0, 0, 8, 1, 0, 0, 0, 2, 1, 0}));
  EXPECT_EQ(idx_labels_beside(images), labels);
  const Dataset data = read_idx_pair(images, labels);
  EXPECT_EQ(data.spec.shape, (std::vector<int64_t>{1, 1, 2}));
  EXPECT_EQ(data.spec.classes, (std::vector<std::string>{"0", "1"}));
  EXPECT_TRUE(data.labels.equal(at::tensor({1, 0}, at::kLong)));
  EXPECT_TRUE(data.ids.equal(at::tensor({0, 1}, at::kLong)));
}

TEST(Idx, RefusesPairsThatDoNotFit) {
  TemporaryFolder folder;
  const std::string images = folder.write("images-idx3-ubyte", kTwoImages);
  const std::string three = folder.write("three", bytes({0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 0})),
                    seven = folder.write("seven", bytes({0, 0, 8, 1, 0, 0, 0, 2, 1, 7}));
  EXPECT_EQ(line_of<DataError>([&] { read_idx_pair(images, three); }), three + ": expected one label for each of the 2 images, found 3");
  EXPECT_EQ(line_of<DataError>([&] {
              read_idx_pair(images, seven, {"a", "b"});
            }),
            seven + ": label out of range at offset 9: expected 0 to 1, found 7");
  EXPECT_HAS(line_of<DataError>([&] { read_idx_pair(folder.path("absent"), three); }), folder.path("absent"));
}

TEST(Idx, NamesTheFileOfDamagedGzip) {
  TemporaryFolder folder;
  const std::string path = folder.write("a.gz", std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", 17));
  EXPECT_HAS(line_of<DataError>([&] { read_idx(path); }), path);
}

}  // namespace
}  // namespace retort

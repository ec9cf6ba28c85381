#include "retort/data/image.h"

#include "retort/base/file.h"
#include "retort/data/image_folder.h"
#include "tests/data/support.h"

namespace retort {
namespace {

Tensor colours() { return at::tensor({255, 0, 10, 20, 0, 255, 30, 40, 0, 0, 50, 60}, at::kByte).view({3, 2, 2}); }

TEST(Image, PngKeepsPixelsAndColours) {
  EXPECT_TRUE(decode_image(encode_png(colours()), "x").equal(colours()));
  const Tensor grey = at::arange(6, at::kByte).view({1, 2, 3});
  EXPECT_TRUE(decode_image(encode_png(grey), "x").equal(grey));
}

TEST(Image, RefusesWhatIsNone) {
  EXPECT_EQ(line_of<DataError>([] { decode_image("hello", "a.png"); }), "a.png: not a readable image");
  EXPECT_EQ(line_of<DataError>([] { decode_image("", "a.png"); }), "a.png: not a readable image");
  const std::string png = encode_png(colours());
  EXPECT_EQ(line_of<DataError>([&] { decode_image(png.substr(0, png.size() - 9), "a.png"); }), "a.png: not a readable image");
}

TEST(Image, PoolsByTheAverage) {
  const Tensor image = at::tensor({1, 2, 10, 10, 3, 5, 10, 11}, at::kByte).view({1, 2, 4});
  EXPECT_TRUE(fit_images(image, 1, 2).equal(at::tensor({3, 10}, at::kByte).view({1, 1, 2})));  // 11/4 and 41/4, rounded
  EXPECT_EQ(fit_images(at::full({2, 3, 9, 6}, 77, at::kByte), 4, 4).sizes(), (std::vector<int64_t>{2, 3, 4, 4}));
  EXPECT_TRUE(fit_images(at::full({1, 5, 5}, 77, at::kByte), 8, 8).eq(77).all().item<bool>());
}

TEST(Image, TurnsGrey) {
  // 0.299 * 255 = 76.2; 0.587 * 255 = 149.7
  EXPECT_TRUE(grey_images(colours()).narrow(1, 0, 1).equal(at::tensor({76, 150}, at::kByte).view({1, 1, 2})));
}

TEST(Image, IsReadAsTheModelWants) {
  TemporaryFolder folder;
  const std::string path = folder.path("a.png");
  write_file(path, encode_png(at::full({1, 4, 4}, 51, at::kByte)));
  InputSpec spec;
  spec.shape = {3, 2, 2};
  spec.mean = {0.1, 0.2, 0.0}, spec.deviation = {0.1, 0.2, 0.5};
  const Tensor read = read_image(path, spec);
  EXPECT_EQ(read.sizes(), (std::vector<int64_t>{1, 3, 2, 2}));
  EXPECT_TRUE(read.select(2, 0).select(2, 0).allclose(at::tensor({1.f, 0.f, 0.4f}).view({1, 3}), 1e-5, 1e-5));
  spec.shape = {8};
  spec.mean.clear(), spec.deviation.clear();
  EXPECT_EQ(line_of<DataError>([&] { read_image(path, spec); }), path + ": the model does not read images");
}

TEST(Image, GridsLeaveALineBetween) {
  const Tensor grid = image_grid(at::full({3, 1, 40, 50}, 9, at::kByte), 2);
  EXPECT_EQ(grid.sizes(), (std::vector<int64_t>{1, 81, 101}));
  EXPECT_EQ(grid[0][0][50].item<int>(), 64);
  EXPECT_EQ(grid[0][41][0].item<int>(), 9);
  EXPECT_EQ(image_grid(at::ones({1, 1, 8, 8}), 1).sizes(), (std::vector<int64_t>{1, 32, 32}));
}

class Folder : public testing::Test {
 protected:
  void image(const std::string& name, const Tensor& pixels) {
    std::filesystem::create_directories(std::filesystem::path(folder.path(name)).parent_path());
    write_file(folder.path(name), encode_png(pixels));
  }
  TemporaryFolder folder;
};

TEST_F(Folder, TakesClassesFromFolders) {
  image("dog/b.png", at::full({1, 4, 4}, 2, at::kByte));
  image("cat/z.png", at::full({1, 4, 4}, 1, at::kByte));
  image("dog/a.png", at::full({3, 4, 4}, 3, at::kByte));
  folder.write("dog/notes.txt", "not an image");
  folder.write(".hidden/a.png", "not an image");
  const Dataset data = read_image_folder(folder.path()).train;
  EXPECT_EQ(data.spec.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data.spec.shape, (std::vector<int64_t>{3, 4, 4}));
  EXPECT_TRUE(data.labels.equal(at::tensor({0, 1, 1}, at::kLong)));
  EXPECT_TRUE(data.inputs.select(1, 2).select(1, 0).select(1, 0).equal(at::tensor({1, 3, 2}, at::kByte)));
  EXPECT_EQ(read_image_folder(folder.path(), 2, /*grey=*/true).train.spec.shape, (std::vector<int64_t>{1, 2, 2}));
}

TEST_F(Folder, KeepsAnOfficialTestPart) {
  image("train/cat/a.png", at::full({3, 4, 4}, 2, at::kByte));
  image("test/cat/a.png", at::full({1, 4, 4}, 5, at::kByte));
  const auto parts = read_image_folder(folder.path());
  EXPECT_EQ(parts.test.inputs.sizes(), (std::vector<int64_t>{1, 3, 4, 4}));
  EXPECT_EQ(parts.test.ids[0].item<int64_t>(), 1);
  image("test/cow/a.png", at::full({1, 4, 4}, 5, at::kByte));
  EXPECT_EQ(line_of<DataError>([&] { read_image_folder(folder.path()); }), folder.path("test") + "/cow: not a class of the training part");
}

TEST_F(Folder, RefusesWhatItCannotUse) {
  EXPECT_EQ(line_of<DataError>([&] { read_image_folder(folder.path()); }), folder.path() + ": no images in its sub-folders");
  image("a/1.png", at::zeros({1, 4, 4}, at::kByte));
  image("a/2.png", at::zeros({1, 5, 4}, at::kByte));
  EXPECT_EQ(line_of<DataError>([&] { read_image_folder(folder.path()); }),
            folder.path("a/2.png") + ": is 4x5 pixels, " + folder.path("a/1.png") + " is 4x4");
  EXPECT_EQ(read_image_folder(folder.path(), 4).train.size(), 2);
  folder.write("a/3.png", encode_png(at::zeros({1, 4, 4}, at::kByte)).substr(0, 20));
  EXPECT_EQ(line_of<DataError>([&] { read_image_folder(folder.path(), 4); }), folder.path("a/3.png") + ": not a readable image");
}

}  // namespace
}  // namespace retort

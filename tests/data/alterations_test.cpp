#include "retort/data/alterations.h"

#include "retort/data/sources.h"
#include "retort/data/worlds.h"
#include "tests/data/support.h"

namespace retort {
namespace {

Dataset toy(int64_t n) {
  Dataset data;
  data.name = "toy";
  data.inputs = (at::arange(n * 9, at::kLong) % 251).to(at::kByte).view({n, 1, 3, 3});
  data.labels = at::arange(n, at::kLong) % 2;
  data.ids = at::arange(n, at::kLong);
  data.spec.shape = {1, 3, 3};
  data.spec.classes = {"a", "b"};
  return data;
}

TEST(Alterations, NothingIsDoneUnasked) {
  const Dataset data = toy(5);
  EXPECT_TRUE(altered(data, {}, Seed(1)).inputs.is_same(data.inputs));
}

TEST(Alterations, InvertIsItsOwnInverse) {
  DataKnobs knobs;
  knobs.invert = true;
  const Dataset data = toy(5), dark = altered(data, knobs, Seed(1));
  EXPECT_EQ(dark.inputs[0][0][0][1].item<int64_t>(), 254);
  EXPECT_TRUE(altered(dark, knobs, Seed(1)).inputs.equal(data.inputs));
}

TEST(Alterations, TurnsAreTheLabels) {
  DataKnobs knobs;
  knobs.task = "rotation";
  const Dataset data = toy(40), turned = altered(data, knobs, Seed(1));
  EXPECT_EQ(turned.classes(), 4);
  std::set<int64_t> seen;
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t turns = turned.labels[i].item<int64_t>();
    seen.insert(turns);
    EXPECT_TRUE(at::rot90(turned.inputs[i], 4 - turns, {1, 2}).equal(data.inputs[i]));
  }
  EXPECT_EQ(seen.size(), 4u);
  // Each image's turn depends on its id alone.
  EXPECT_TRUE(altered(data.take(at::arange(30, 40)), knobs, Seed(1)).labels.equal(turned.labels.slice(0, 30, 40)));
}

TEST(Alterations, DisplacedImagesKeepTheirPixels) {
  DataKnobs knobs;
  knobs.displace = 1;
  const Dataset data = toy(30), moved = altered(data, knobs, Seed(1));
  int64_t unmoved = 0;
  for (int64_t i = 0; i < 30; ++i) {
    const Tensor padded = at::constant_pad_nd(data.inputs[i], {1, 1, 1, 1}, 0);
    int found = 0;
    for (int dy = 0; dy < 3; ++dy)
      for (int dx = 0; dx < 3; ++dx) found += moved.inputs[i].equal(padded.narrow(1, dy, 3).narrow(2, dx, 3));
    EXPECT_GE(found, 1);
    unmoved += moved.inputs[i].equal(data.inputs[i]);
  }
  EXPECT_LT(unmoved, 15);
}

TEST(Alterations, NeedImages) {
  DataKnobs knobs;
  knobs.source = "world:moons", knobs.invert = true;
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.invert: world:moons holds no images");
  DataKnobs turned;
  turned.task = "rotation", turned.train = 100, turned.test = 100;
  EXPECT_EQ(load_splits(turned, Seed(1)).train.classes(), 4);
}

TEST(Textures, AreKnownByTheirDirection) {
  const Source source = make_world("world:textures,rows=40,test_rows=20,size=10,noise=0", Seed(1));
  EXPECT_EQ(source.train.spec.shape, (std::vector<int64_t>{1, 10, 10}));
  EXPECT_EQ(source.train.classes(), 6);
  EXPECT_EQ(source.test.ids[0].item<int64_t>(), 40);
  // Class 0 runs along x: its columns are constant.
  for (int64_t i = 0; i < 40; ++i)
    if (source.train.labels[i].item<int64_t>() == 0)
      EXPECT_EQ(source.train.inputs[i][0].to(at::kFloat).std(0, false).max().item<double>(), 0);
}

}  // namespace
}  // namespace retort

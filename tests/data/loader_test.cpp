#include "retort/data/loader.h"

#include "tests/data/support.h"

namespace retort {
namespace {

Dataset toy(int64_t n) {
  Dataset data;
  data.name = "toy";
  data.inputs = (at::arange(n * 16, at::kLong) % 251).to(at::kByte).view({n, 1, 4, 4});
  data.labels = at::arange(n, at::kLong) % 3;
  data.ids = at::arange(n, at::kLong) * 10;
  data.spec.shape = {1, 4, 4};
  data.spec.classes = {"a", "b", "c"};
  return data;
}

ViewKnobs wild(const std::string& policy = "same") {
  ViewKnobs views;
  views.policy = policy;
  views.flip = true, views.shift = 1, views.noise = 0.1, views.mixup = 1, views.cutout = 1;
  return views;
}

std::vector<Batch> epoch(Loader& loader, int64_t number, int64_t first_step = 0) {
  std::vector<Batch> batches;
  loader.begin(number, first_step);
  for (Batch batch; loader.next(batch);) batches.push_back(batch);
  return batches;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(a[i].ids.equal(b[i].ids));
    EXPECT_TRUE(a[i].labels.equal(b[i].labels));
    EXPECT_TRUE(a[i].inputs.equal(b[i].inputs));
    EXPECT_TRUE(a[i].teacher_inputs.equal(b[i].teacher_inputs));
    EXPECT_TRUE(a[i].clean.equal(b[i].clean));
    ASSERT_EQ(a[i].targets.defined(), b[i].targets.defined());
    if (a[i].targets.defined()) EXPECT_TRUE(a[i].targets.equal(b[i].targets));
  }
}

TEST(Loader, VisitsEveryRowOnce) {
  const Dataset data = toy(23);
  Loader loader(data, {5}, {}, Seed(1));
  EXPECT_EQ(loader.steps(), 5);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 5u);
  EXPECT_EQ(batches[4].size(), 3);
  std::set<int64_t> seen;
  for (const auto& batch : batches)
    for (int64_t i = 0; i < batch.size(); ++i) {
      const int64_t row = batch.ids[i].item<int64_t>() / 10;
      seen.insert(row);
      EXPECT_EQ(batch.labels[i].item<int64_t>(), row % 3);
      EXPECT_TRUE(batch.inputs[i].equal(data.inputs[row].to(at::kFloat) / 255));
    }
  EXPECT_EQ(seen.size(), 23u);
  EXPECT_FALSE(batches[0].ids.equal(epoch(loader, 1)[0].ids));
  expect_same(batches, epoch(loader, 0));
}

TEST(Loader, KeepsTheOrderWithoutShuffle) {
  LoaderKnobs knobs{4};
  knobs.shuffle = false, knobs.drop_last = true;
  Loader loader(toy(10), knobs, {}, Seed(1));
  const auto batches = epoch(loader, 3);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[1].ids.equal(at::tensor({40, 50, 60, 70}, at::kLong)));
}

TEST(Loader, SharesTensorsWhereNothingIsRandom) {
  Loader loader(toy(10), {4}, {}, Seed(1));
  const auto batch = epoch(loader, 0)[0];
  EXPECT_TRUE(batch.inputs.is_same(batch.teacher_inputs));
  EXPECT_TRUE(batch.inputs.is_same(batch.clean));
  EXPECT_TRUE(batch.repeats);
  EXPECT_FALSE(batch.targets.defined());
}

TEST(Loader, ViewsFollowThePolicy) {
  const Dataset data = toy(12);
  Loader same(data, {6}, wild("same"), Seed(1)), independent(data, {6}, wild("independent"), Seed(1)),
      fixed(data, {6}, wild("fixed"), Seed(1));
  const Batch s = epoch(same, 0)[0], i = epoch(independent, 0)[0], f = epoch(fixed, 0)[0];
  EXPECT_TRUE(s.inputs.is_same(s.teacher_inputs));
  EXPECT_TRUE(s.inputs.equal(i.inputs));
  EXPECT_FALSE(i.inputs.equal(i.teacher_inputs));
  EXPECT_TRUE(f.teacher_inputs.is_same(f.clean));
  EXPECT_FALSE(f.inputs.equal(f.clean));
  EXPECT_TRUE(f.repeats);
  EXPECT_FALSE(s.repeats);
  EXPECT_FALSE(i.repeats);
  EXPECT_TRUE(s.targets.sum(1).allclose(at::ones({6}), 1e-5, 1e-5));
  EXPECT_FALSE(s.inputs.equal(epoch(same, 1)[0].inputs));
}

TEST(Loader, WorkersChangeNothing) {
  const Dataset data = toy(50);
  for (const char* policy : {"same", "independent"}) {
    Loader alone(data, {8, true, false, 0}, wild(policy), Seed(2)), one(data, {8, true, false, 1}, wild(policy), Seed(2)),
        three(data, {8, true, false, 3}, wild(policy), Seed(2));
    for (int64_t number : {0, 1}) {
      const auto expected = epoch(alone, number);
      expect_same(expected, epoch(one, number));
      expect_same(expected, epoch(three, number));
    }
  }
}

TEST(Loader, ResumesInTheMiddleOfAnEpoch) {
  const Dataset data = toy(50);
  for (int64_t workers : {0, 2}) {
    Loader whole(data, {8, true, false, workers}, wild(), Seed(2)), resumed(data, {8, true, false, workers}, wild(), Seed(2));
    auto expected = epoch(whole, 4);
    expected.erase(expected.begin(), expected.begin() + 3);
    expect_same(expected, epoch(resumed, 4, 3));
  }
}

TEST(Loader, MayBeLeftAndBegunAnew) {
  Loader loader(toy(50), {4, true, false, 3}, wild(), Seed(2));
  Batch batch;
  loader.begin(0);
  EXPECT_TRUE(loader.next(batch));
  const auto whole = epoch(loader, 0);
  EXPECT_TRUE(whole[0].inputs.equal(batch.inputs));
}

TEST(Loader, RanksShareEveryGlobalBatch) {
  const Dataset data = toy(21);
  for (const ViewKnobs& views : {ViewKnobs{}, wild()}) {
    Loader one(data, {8}, views, Seed(3)), first(data, {4}, views, Seed(3), 0, 2), second(data, {4}, views, Seed(3), 1, 2);
    const auto all = epoch(one, 0), a = epoch(first, 0), b = epoch(second, 0);
    ASSERT_EQ(a.size(), 3u);
    ASSERT_EQ(b.size(), 3u);
    for (size_t step = 0; step < 2; ++step) {  // whole batches: the same views and mixtures as one process makes
      EXPECT_TRUE(a[step].ids.equal(all[step].ids.slice(0, 0, 8, 2)));
      EXPECT_TRUE(b[step].ids.equal(all[step].ids.slice(0, 1, 8, 2)));
      EXPECT_TRUE(b[step].inputs.equal(all[step].inputs.slice(0, 1, 8, 2)));
      if (views.mixup > 0) EXPECT_TRUE(b[step].targets.equal(all[step].targets.slice(0, 1, 8, 2)));
    }
    EXPECT_EQ(a[2].size(), 2);  // 20 of 21 rows: equal shares
    EXPECT_EQ(b[2].size(), 2);
  }
}

TEST(Loader, RefusesEmptyData) {
  Dataset none = toy(3).take(at::empty({0}, at::kLong));
  EXPECT_EQ(line_of<DataError>([&] { Loader(none, {4}, {}, Seed(1)); }), "toy: no rows to make batches of");
}

TEST(Loader, PutsLabelledRowsIntoEveryBatch) {
  Dataset data = toy(40);
  data.labels.slice(0, 6, 40).fill_(-1);
  LoaderKnobs knobs{8};
  knobs.labelled = 3;
  Loader loader(data, knobs, {}, Seed(1));
  EXPECT_EQ(loader.steps(), 7);  // 34 unlabelled rows, 5 a batch
  std::map<int64_t, int> visits;
  for (const auto& batch : epoch(loader, 0)) {
    EXPECT_EQ((batch.labels >= 0).sum().item<int64_t>(), 3);
    for (int64_t i = 0; i < batch.size(); ++i) ++visits[batch.ids[i].item<int64_t>() / 10];
  }
  for (int64_t row = 0; row < 40; ++row) EXPECT_NEAR(visits[row], row < 6 ? 3.5 : 1, row < 6 ? 0.5 : 0) << row;
  // Two ranks share what one process with their joint batch would see.
  LoaderKnobs twice{16}, once{8};
  twice.labelled = 6, once.labelled = 3;
  Loader joint(data, twice, {}, Seed(1)), first(data, once, {}, Seed(1), 0, 2), second(data, once, {}, Seed(1), 1, 2);
  const auto all = epoch(joint, 2), a = epoch(first, 2), b = epoch(second, 2);
  ASSERT_EQ(all.size(), a.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(all[i].ids.slice(0, 0, all[i].size(), 2).equal(a[i].ids));
    EXPECT_TRUE(all[i].ids.slice(0, 1, all[i].size(), 2).equal(b[i].ids));
  }
  knobs.labelled = 8;
  EXPECT_HAS(line_of<ConfigError>([&] { Loader(data, knobs, {}, Seed(1)); }), "train.labelled: 8 labelled samples leave no room");
  // Where every row has a label they come as always.
  Loader plain(toy(40), knobs, {}, Seed(1)), same(toy(40), {8}, {}, Seed(1));
  expect_same(epoch(plain, 0), epoch(same, 0));
}

TEST(Loader, CutsAndMixes) {
  ViewKnobs views;
  views.cutmix = 1;
  Loader loader(toy(20), {8}, views, Seed(1));
  for (const auto& batch : epoch(loader, 0)) {
    ASSERT_TRUE(batch.targets.defined());
    EXPECT_TRUE(batch.targets.sum(1).allclose(at::ones({batch.size()})));
    EXPECT_FALSE(batch.inputs.equal(batch.clean));
    EXPECT_FALSE(batch.repeats);
  }
}

}  // namespace
}  // namespace retort

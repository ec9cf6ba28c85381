#include "retort/teachers/past_self.h"

#include "tests/teachers/support.h"

namespace retort {
namespace {

TEST(SnapshotTeacher, AnswersWithTheLastSnapshot) {
  Net student = tiny_net(1);
  SnapshotTeacher past(student);
  const Dataset data = tiny_data();
  EXPECT_EQ(caught<AccessError>([&] { past.ask(data.ids, data.inputs, true, {true}); }).line,
            "the student was asked for its past before there was one");
  EXPECT_EQ(past.net(), nullptr);
  past.take(student);
  const Tensor then = past.ask(data.ids, data.inputs, true, {true}).logits;
  EXPECT_TRUE(at::allclose(then, student.forward(data.inputs), 0, 1e-6));
  student.copy_from(tiny_net(2));
  EXPECT_TRUE(at::equal(past.ask(data.ids, data.inputs, true, {true}).logits, then));
  past.take(student);
  EXPECT_FALSE(at::allclose(past.ask(data.ids, data.inputs, true, {true}).logits, then));
  EXPECT_THROW(past.take(make_net("mlp-7", {4}, 3, Seed(1))), ConfigError);
}

TEST(SnapshotTeacher, ComesBackFromACheckpoint) {
  const Net student = tiny_net(4);
  const Dataset data = tiny_data();
  SnapshotTeacher past(student), empty(student), resumed(tiny_net(5));
  resumed.load(empty.state());
  EXPECT_FALSE(resumed.taken());
  past.take(student);
  resumed.load(past.state());
  EXPECT_TRUE(at::equal(resumed.ask(data.ids, data.inputs, true, {true}).logits, past.ask(data.ids, data.inputs, true, {true}).logits));
}

Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

TEST(PredictionBank, KeepsTheLastPrediction) {
  PredictionBank bank(2);
  const Tensor labels = at::tensor({1.f, 0.f, 1.f, 0.f}).view({2, 2});
  EXPECT_TRUE(at::equal(bank.lookup(longs({5, 9}), labels), labels));
  bank.update(longs({9, 100}), at::tensor({0.25f, 0.75f, 0.5f, 0.5f}).view({2, 2}));
  EXPECT_TRUE(at::equal(bank.known(longs({5, 9})), at::tensor({0, 1}, at::kLong).to(at::kBool)));
  EXPECT_TRUE(at::equal(bank.lookup(longs({5, 9}), labels), at::tensor({1.f, 0.f, 0.25f, 0.75f}).view({2, 2})));
  bank.update(longs({9}), at::tensor({0.f, 1.f}).view({1, 2}));
  EXPECT_TRUE(at::equal(bank.lookup(longs({100, 9}), labels), at::tensor({0.5f, 0.5f, 0.f, 1.f}).view({2, 2})));
  EXPECT_EQ(bank.size(), 2);
  EXPECT_THROW(bank.update(longs({1}), at::zeros({1, 3})), std::invalid_argument);
}

TEST(PredictionBank, GrowsAndComesBackFromACheckpoint) {
  PredictionBank bank(3), back(3), other(4);
  const Tensor ids = permutation(5000, Seed(1)), rows = at::empty({5000, 3}).uniform_(0, 1, Seed(2).generator());
  for (int64_t first = 0; first < 5000; first += 500) bank.update(ids.slice(0, first, first + 500), rows.slice(0, first, first + 500));
  back.load(bank.state());
  EXPECT_TRUE(at::equal(back.lookup(ids, at::zeros({5000, 3})), rows));
  EXPECT_THROW(other.load(bank.state()), DataError);
  back.load(PredictionBank(3).state());
  EXPECT_EQ(back.size(), 0);
}

TEST(PredictionBank, SaysWhenItIsFull) {
  PredictionBank bank(2, /*limit_bytes=*/24);
  bank.update(longs({1, 2, 3}), at::zeros({3, 2}));
  bank.update(longs({2}), at::ones({1, 2}));
  EXPECT_EQ(caught<ConfigError>([&] {
              bank.update(longs({4}), at::zeros({1, 2}));
            }).line,
            "the bank of past predictions holds 3 samples of 2 classes in its 24 bytes; one more came");
  EXPECT_EQ(bank.size(), 3);
}

}  // namespace
}  // namespace retort

#include "retort/teachers/kept_answers.h"

#include "tests/teachers/support.h"

namespace retort {
namespace {

// Logits are twice the input, features one more.
struct Counted {
  int calls = 0;
  int64_t rows = 0;
  KeptAnswers::Compute compute = [this](const Tensor& x, bool logits, const std::vector<std::string>& features) {
    ++calls;
    rows += x.size(0);
    Signals said;
    if (logits) said.logits = x * 2;
    for (const std::string& name : features) said.features[name] = x + 1;
    return said;
  };
};

class Kept : public testing::Test {
 protected:
  static constexpr int64_t kRows = 40;  // two whole chunks and a half
  Dataset data = tiny_data(kRows, 100);
  Counted counted;

  Signals ask(KeptAnswers& kept, const std::vector<int64_t>& rows, const Wanted& wanted = {true}, bool repeats = true) {
    const Dataset part = data.take(at::tensor(rows, at::kLong));
    return kept.answer(part.ids, part.inputs, repeats, wanted, counted.compute);
  }
  Tensor inputs(const std::vector<int64_t>& rows) const { return data.inputs.index_select(0, at::tensor(rows, at::kLong)); }
};

TEST_F(Kept, EveryRowIsComputedOnce) {
  KeptAnswers kept(1 << 20);
  kept.serve(data);
  EXPECT_TRUE(at::equal(ask(kept, {3, 1, 3}).logits, 2 * inputs({3, 1, 3})));
  EXPECT_EQ(counted.calls, 1);
  EXPECT_EQ(counted.rows, KeptAnswers::kChunk);
  EXPECT_TRUE(at::equal(ask(kept, {15, 0}).logits, 2 * inputs({15, 0})));  // neighbours of those
  EXPECT_EQ(counted.calls, 1);
  EXPECT_TRUE(at::equal(ask(kept, {39, 2, 16}).logits, 2 * inputs({39, 2, 16})));
  EXPECT_EQ(counted.calls, 3);
  for (int visit = 0; visit < 2; ++visit) {
    for (int64_t row = 0; row < kRows; ++row) EXPECT_TRUE(at::equal(ask(kept, {row}).logits, 2 * inputs({row})));
  }
  EXPECT_EQ(counted.calls, 3);
  EXPECT_EQ(counted.rows, kRows);
}

TEST_F(Kept, EachKindIsKeptForItself) {
  KeptAnswers kept(1 << 20);
  kept.serve(data);
  ask(kept, {1, 2});
  const Signals both = ask(kept, {1, 2}, {true, true, {"f"}});
  EXPECT_EQ(counted.calls, 2);
  EXPECT_TRUE(at::equal(both.features.at("f"), inputs({1, 2}) + 1));
  EXPECT_TRUE(at::equal(both.labels, inputs({1, 2}).argmax(1)));
  const Signals features = ask(kept, {1, 2}, {false, false, {"f"}});
  EXPECT_EQ(counted.calls, 2);
  EXPECT_FALSE(features.logits.defined());
}

TEST_F(Kept, NothingIsKeptWithoutADataSetOrForRandomViews) {
  KeptAnswers kept(1 << 20);
  ask(kept, {1}), ask(kept, {1});
  EXPECT_EQ(counted.calls, 2);
  kept.serve(data);
  ask(kept, {1}, {true}, /*repeats=*/false), ask(kept, {1}, {true}, /*repeats=*/false);
  EXPECT_EQ(counted.calls, 4);
  EXPECT_EQ(counted.rows, 4);
  EXPECT_EQ(kept.bytes(), 0);
  ask(kept, {1});
  EXPECT_GT(kept.bytes(), 0);
  kept.serve({});
  EXPECT_EQ(kept.bytes(), 0);
}

TEST_F(Kept, SamplesOfAnotherDataSetAreAnsweredToo) {
  KeptAnswers kept(1 << 20);
  kept.serve(tiny_data(3, 0));
  EXPECT_TRUE(at::equal(ask(kept, {5, 6}).logits, 2 * inputs({5, 6})));
  EXPECT_EQ(counted.rows, 2);
}

TEST_F(Kept, WhatDoesNotFitIsComputedEachTime) {
  const int64_t bytes = kRows * 4 * 4;  // four floats a row
  KeptAnswers kept(bytes);
  kept.serve(data);
  ask(kept, {0});
  EXPECT_EQ(kept.bytes(), bytes);
  counted.rows = 0;
  for (int visit = 0; visit < 2; ++visit)
    EXPECT_TRUE(at::equal(ask(kept, {0, 1}, {true, false, {"f"}}).features.at("f"), inputs({0, 1}) + 1));
  EXPECT_EQ(counted.rows, KeptAnswers::kChunk + 2 + 2);  // one chunk to learn the size, then the batch alone
  EXPECT_EQ(kept.bytes(), bytes);
  counted.rows = 0;
  ask(kept, {0, 1});
  EXPECT_EQ(counted.rows, 0);  // logits stay kept
}

TEST_F(Kept, IdsMustBeUnique) {
  KeptAnswers kept(1 << 20);
  Dataset twice = data.take(at::tensor({1, 2, 1}, at::kLong));
  EXPECT_EQ(caught<DataError>([&] { kept.serve(twice); }).line, "tiny: sample ids must be unique; that of row 2 came before");
}

TEST(Derive, GivesLabelsTopkAndTail) {
  Signals raw;
  raw.logits = at::tensor({0.1, 0.6, 0.3}).log().view({1, 3}) + 5;
  const Signals said = derive(raw, {false, true, {}, 2});
  EXPECT_FALSE(said.logits.defined());
  EXPECT_EQ(said.labels.item<int64_t>(), 1);
  EXPECT_TRUE(at::equal(said.topk_indices, at::tensor({1, 2}, at::kLong).view({1, 2})));
  EXPECT_TRUE(at::allclose(said.topk_values.exp(), at::tensor({0.6, 0.3}).view({1, 2})));
  EXPECT_TRUE(at::allclose(said.topk_tail.exp(), at::tensor({0.1})));
  EXPECT_THROW(derive(raw, {false, false, {}, 4}), ConfigError);
}

}  // namespace
}  // namespace retort

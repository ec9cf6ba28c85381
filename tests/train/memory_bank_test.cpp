#include "retort/train/memory_bank.h"

#include "tests/support.h"

namespace retort {
namespace {

const Tensor kIds = torch::tensor({70, 10, 30, 20, 60, 50, 40}, at::kLong);
const Tensor kLabels = torch::tensor({0, 1, 0, 2, 1, 0, -1}, at::kLong);

MemoryBank bank(int64_t negatives, bool relax = false) { return MemoryBank(kIds, kLabels, {4, negatives, 0.5, relax}, Seed(1)); }

TEST(MemoryBank, RowsStartBoundedAndRepeatable) {
  const MemoryBank one = bank(2), two = bank(2);
  EXPECT_TRUE(one.student().equal(two.student()));
  EXPECT_FALSE(one.student().equal(one.teacher()));
  EXPECT_LE(one.student().abs().max().item<double>(), 1 / std::sqrt(4.0 / 3) + 1e-6);
}

TEST(MemoryBank, CapsNegativesAtTheSmallestChoice) {
  EXPECT_EQ(bank(100).negatives(), 4);  // class 0 has three of seven rows
  EXPECT_EQ(bank(3).negatives(), 3);
}

TEST(MemoryBank, DrawsTheSampleItselfAndOthersOfOtherClasses) {
  MemoryBank memory = bank(4);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Tensor rows = at::arange(7), drawn = memory.draw(rows, Seed(seed));
    ASSERT_EQ(drawn.sizes(), (std::vector<int64_t>{7, 5}));
    for (int64_t b = 0; b < 7; ++b) {
      EXPECT_EQ(drawn[b][0].item<int64_t>(), b);
      std::set<int64_t> seen;
      for (int64_t j = 1; j < 5; ++j) {
        const int64_t row = drawn[b][j].item<int64_t>(), label = kLabels[b].item<int64_t>();
        EXPECT_TRUE(label < 0 ? row != b : kLabels[row].item<int64_t>() != label);
        EXPECT_TRUE(seen.insert(row).second) << "drawn twice";
      }
    }
  }
}

TEST(MemoryBank, DrawsEveryNegativeEquallyOften) {
  for (const int64_t negatives : {2, 4}) {  // few of the five others of row 1, and most of them
    MemoryBank memory = bank(negatives);
    Tensor counts = at::zeros({7}, at::kLong);
    for (uint64_t seed = 0; seed < 2000; ++seed) {
      const Tensor drawn = memory.draw(torch::tensor({1}, at::kLong), Seed(seed)).slice(1, 1).flatten();
      counts.index_add_(0, drawn, at::ones({negatives}, at::kLong));
    }
    for (const int64_t row : {0, 2, 3, 5, 6}) EXPECT_NEAR(counts[row].item<int64_t>(), 400 * negatives, 100);
  }
}

TEST(MemoryBank, ADrawDependsOnSeedAndRowAlone) {
  MemoryBank memory = bank(3), fresh = bank(3);
  const Tensor rows = torch::tensor({4, 2}, at::kLong), first = memory.draw(rows, Seed(5));
  memory.draw(at::arange(7), Seed(6));
  EXPECT_TRUE(memory.draw(rows, Seed(5)).equal(first));
  EXPECT_TRUE(fresh.draw(rows.flip(0), Seed(5)).flip(0).equal(first));
}

TEST(MemoryBank, RelaxedPositivesAreOfTheClass) {
  MemoryBank memory = bank(2, /*relax=*/true);
  std::set<int64_t> seen;
  for (uint64_t seed = 0; seed < 60; ++seed) seen.insert(memory.draw(torch::tensor({2}, at::kLong), Seed(seed))[0][0].item<int64_t>());
  EXPECT_EQ(seen, (std::set<int64_t>{0, 2, 5}));
}

TEST(MemoryBank, RefreshMovesTheRowsOfTheBatchOnly) {
  MemoryBank memory = bank(2);
  const Tensor before = memory.student().clone(), rows = memory.rows_of(torch::tensor({30, 10}, at::kLong));
  EXPECT_TRUE(rows.equal(torch::tensor({2, 1}, at::kLong)));
  const Tensor fresh = at::eye(4).slice(0, 0, 2);
  memory.refresh(ProcessGroup(), rows, fresh, fresh);
  const Tensor expected = 0.5 * before[2] + 0.5 * fresh[0];
  EXPECT_TRUE(memory.student()[2].allclose(expected / expected.norm()));
  EXPECT_TRUE(memory.student()[0].equal(before[0]));
}

TEST(MemoryBank, StateComesBack) {
  MemoryBank memory = bank(2), other(kIds, kLabels, {4, 2, 0.5, false}, Seed(9));
  EXPECT_FALSE(other.teacher().equal(memory.teacher()));
  other.load(memory.state());
  EXPECT_TRUE(other.teacher().equal(memory.teacher()));
  EXPECT_TRUE(other.student().equal(memory.student()));
}

TEST(MemoryBank, RefusesWhatItCannotServe) {
  const auto one_class = caught<ConfigError>([] { MemoryBank(kIds, at::zeros({7}, at::kLong), {}, Seed(1)); });
  EXPECT_EQ(one_class.line, "memory bank: all training samples belong to one class");
  EXPECT_EQ(caught<DataError>([] { bank(2).rows_of(torch::tensor({11}, at::kLong)); }).line,
            "memory bank: sample id 11 is not of the training part");
  EXPECT_THROW(MemoryBank(at::zeros({7}, at::kLong), kLabels, {}, Seed(1)), DataError);
}

}  // namespace
}  // namespace retort

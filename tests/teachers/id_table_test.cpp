#include "retort/teachers/id_table.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(IdTable, NumbersIdsInTheOrderTheyCome) {
  IdTable table;
  const int64_t huge = int64_t{1} << 60;
  EXPECT_EQ(table.find(0), -1);
  EXPECT_EQ(table.add(7), 0);
  EXPECT_EQ(table.add(huge), 1);
  EXPECT_EQ(table.add(-3), 2);
  EXPECT_EQ(table.add(0), 3);
  EXPECT_EQ(table.add(7), 0);
  EXPECT_EQ(table.size(), 4);
  EXPECT_TRUE(at::equal(table.rows(at::tensor({int64_t{0}, int64_t{1}, huge, int64_t{-3}, int64_t{7}, huge + 1}, at::kLong)),
                        at::tensor({3, -1, 1, 2, 0, -1}, at::kLong)));
  EXPECT_EQ(table.ids(), (std::vector<int64_t>{7, huge, -3, 0}));
}

TEST(IdTable, GrowsToTheEndOfItsTable) {
  IdTable table;
  const int64_t last = (int64_t{1} << 24) - 1;
  EXPECT_EQ(table.add(last - 1), 0);
  EXPECT_EQ(table.add(last), 1);
  EXPECT_EQ(table.add(last + 1), 2);
  EXPECT_EQ(table.find(last), 1);
  EXPECT_EQ(table.find(last + 1), 2);
}

}  // namespace
}  // namespace retort

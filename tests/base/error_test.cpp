#include "retort/base/error.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(NearestName, FindsOneSlipInThree) {
  const std::vector<std::string> known = {"epochs", "batch", "temperature", "lr"};
  EXPECT_EQ(nearest_name("epoch", known), "epochs");
  EXPECT_EQ(nearest_name("eopchs", known), "epochs");  // a swap of neighbours is one slip
  EXPECT_EQ(nearest_name("temprature", known), "temperature");
  EXPECT_EQ(nearest_name("temperatur", known), "temperature");
}

TEST(NearestName, SaysNothingWhenTooFar) {
  EXPECT_EQ(nearest_name("xy", {"lr"}), "");  // two letters allow no slip
  EXPECT_EQ(nearest_name("epochs", {"batch"}), "");
  EXPECT_EQ(nearest_name("", {"a"}), "");
  EXPECT_EQ(nearest_name("abc", {}), "");
}

TEST(NearestName, TakesTheFirstOfEquallyNear) { EXPECT_EQ(nearest_name("cat", {"bat", "hat"}), "bat"); }

TEST(Errors, CarryTheExitCodesOfTheProgram) {
  EXPECT_EQ(ConfigError("x").exit_code(), 2);
  EXPECT_EQ(AccessError("x").exit_code(), 2);
  EXPECT_EQ(DataError("x").exit_code(), 3);
  EXPECT_EQ(StorageError("x").exit_code(), 3);
  EXPECT_EQ(TeacherError("x").exit_code(), 4);
  EXPECT_EQ(BudgetError("x").exit_code(), 5);
  EXPECT_EQ(Interrupted("x").exit_code(), 130);
  EXPECT_EQ(DataError("line", "hint").hint(), "hint");
}

}  // namespace
}  // namespace retort

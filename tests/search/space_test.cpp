#include "retort/search/space.h"

#include "tests/support.h"

namespace retort::search {
namespace {

Space mixed() {
  return Space(
      {log_real("lr", 1e-3, 1), real("alpha", -1, 3), whole("batch", 16, 128, true), whole("depth", 1, 4), choice("net", {"a", "b", "c"})});
}

TEST(Space, NumbersLieOnTheirScale) {
  EXPECT_DOUBLE_EQ(to_unit(log_real("lr", 1e-4, 1), 1e-2), 0.5);
  EXPECT_DOUBLE_EQ(from_unit(log_real("lr", 1e-4, 1), 0.25), 1e-3);
  EXPECT_DOUBLE_EQ(to_unit(real("x", -1, 3), 0), 0.25);
  EXPECT_DOUBLE_EQ(to_unit(real("x", -1, 3), 7), 1);
  // Whole numbers are cells of equal width: 1, 2, 3, 4 lie at 1/8, 3/8, 5/8, 7/8.
  const Dimension depth = whole("depth", 1, 4);
  EXPECT_DOUBLE_EQ(to_unit(depth, 2), 0.375);
  EXPECT_EQ(from_unit(depth, 0.0), 1);
  EXPECT_EQ(from_unit(depth, 0.249), 1);
  EXPECT_EQ(from_unit(depth, 0.251), 2);
  EXPECT_EQ(from_unit(depth, 1.0), 4);
}

TEST(Space, DrawsAreInsideAndEven) {
  const Space space = mixed();
  Dice dice(Seed(3));
  std::map<double, int> nets, depths;
  double below = 0;
  for (int i = 0; i < 4000; ++i) {
    const Point point = space.draw(dice);
    ASSERT_TRUE(space.contains(point));
    below += space.value(point, "lr") < std::sqrt(1e-3);
    ++nets[space.value(point, "net")];
    ++depths[space.value(point, "depth")];
  }
  EXPECT_NEAR(below / 4000, 0.5, 0.03);
  for (const auto& [net, count] : nets) EXPECT_NEAR(count, 4000 / 3, 120);
  ASSERT_EQ(depths.size(), 4u);
  for (const auto& [depth, count] : depths) EXPECT_NEAR(count, 1000, 120);
}

TEST(Space, ChoicesAreColumnsOneApart) {
  const Space space = mixed();
  EXPECT_EQ(space.width(), 7);
  Point a = {0.1, 0, 32, 2, 0}, b = a;
  b[4] = 2;
  const auto x = space.encode(a), y = space.encode(b);
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) distance += (x[i] - y[i]) * (x[i] - y[i]);
  EXPECT_DOUBLE_EQ(distance, 1);
  EXPECT_EQ(space.choice(b, "net"), "c");
  a[3] = 2.5;
  EXPECT_FALSE(space.contains(a));
  a[3] = 5;
  EXPECT_FALSE(space.contains(a));
}

TEST(Space, NearPointsStayInside) {
  const Space space = mixed();
  Dice dice(Seed(5));
  Point point = space.draw(dice);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(space.contains(point = space.near(point, 0.5, dice)));
}

TEST(Space, RefusesBoundsThatCannotBe) {
  EXPECT_NE(caught<ConfigError>([] { real("x", 2, 1); }).line.find("x: the bounds [2, 1] are not in order"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { log_real("lr", 0, 1); }).line.find("lr: no logarithm of the bound 0"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { whole("n", 0.5, 2); }).line.find("are not whole numbers"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { choice("net", {}); }).line.find("nothing to choose"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { Space({}); }).line.find("no dimension"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] {
              Space({real("x", 0, 1), real("x", 0, 2)});
            }).line.find("two dimensions are called x"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { mixed().value({0, 0, 0, 0, 0}, "ls"); }).line.find("no dimension is called ls"), std::string::npos);
}

}  // namespace
}  // namespace retort::search

#include "retort/base/random.h"

#include <set>

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(Seed, StreamsAreFixedForever) {
  // A change of these values changes every recorded experiment.
  EXPECT_EQ(Dice(Seed(0)).next(), 0xe220a8397b1dcdafULL);  // the published first output of splitmix64 from 0
  EXPECT_EQ(Seed(1).stream("order").value(), 0xe52dabff36525732ULL);
  EXPECT_EQ(Seed(1).stream("order", 3).value(), 0x8a27953c9fe436ecULL);
}

TEST(Seed, StreamsDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const char* name : {"", "a", "b", "ab", "ba", "order", "views"})
      for (uint64_t index = 0; index < 20; ++index) seen.insert(Seed(seed).stream(name, index).value());
  EXPECT_EQ(seen.size(), 20u * 7 * 20);
  EXPECT_NE(Seed(1).stream("a").stream("b").value(), Seed(1).stream("b").stream("a").value());
}

TEST(Seed, NeighbouringStreamsShareNoBits) {
  // Each bit of the key flips in about half of the cases when the index goes up by one.
  for (int bit = 0; bit < 64; ++bit) {
    int flips = 0;
    for (uint64_t i = 0; i < 1000; ++i) flips += ((Seed(5).stream("x", i).value() ^ Seed(5).stream("x", i + 1).value()) >> bit) & 1;
    EXPECT_NEAR(flips, 500, 80) << bit;  // five standard deviations
  }
}

TEST(Generator, IsFreshEveryTimeAndSeesAll64Bits) {
  auto draw = [](Seed seed) {
    at::Generator generator = seed.generator();
    return at::rand({4}, generator);
  };
  EXPECT_TRUE(at::equal(draw(Seed(7)), draw(Seed(7))));
  EXPECT_FALSE(at::equal(draw(Seed(7)), draw(Seed(8))));
  EXPECT_FALSE(at::equal(draw(Seed(7)), draw(Seed(7 + (1ULL << 40)))));
}

TEST(Generator, DrawsEvenly) {
  at::Generator generator = Seed(3).generator();
  Tensor draws = at::rand({100000}, generator);
  EXPECT_NEAR(draws.mean().item<double>(), 0.5, 0.005);
  EXPECT_NEAR(at::randn({100000}, generator).std().item<double>(), 1, 0.02);
}

TEST(Dice, UniformLiesInItsInterval) {
  Dice dice(Seed(1).stream("u"));
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = dice.uniform(2, 4);
    ASSERT_GE(x, 2);
    ASSERT_LT(x, 4);
    sum += x;
  }
  EXPECT_NEAR(sum / 10000, 3, 0.03);
}

TEST(Dice, BelowIsEven) {
  Dice dice(Seed(2).stream("b"));
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts.at(size_t(dice.below(7)));
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(dice.below(1), 0);
  for (int i = 0; i < 100; ++i) {
    const int64_t big = dice.below(INT64_MAX);
    ASSERT_GE(big, 0);
    ASSERT_LT(big, INT64_MAX);
  }
}

TEST(Dice, NormalHasMeanZeroAndVarianceOne) {
  Dice dice(Seed(3).stream("n"));
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = dice.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.04);
  EXPECT_NEAR(squares / 20000, 1, 0.06);
}

TEST(Permutation, HoldsEveryIndexOnce) {
  Tensor order = permutation(100, Seed(1));
  EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(100, at::kLong)));
  EXPECT_TRUE(at::equal(order, permutation(100, Seed(1))));
  EXPECT_FALSE(at::equal(order, permutation(100, Seed(2))));
  EXPECT_EQ(permutation(0, Seed(1)).numel(), 0);
  EXPECT_EQ(permutation(1, Seed(1)).item<int64_t>(), 0);
}

TEST(Permutation, EveryOrderOfThreeComesUp) {
  std::map<int64_t, int> counts;
  for (uint64_t i = 0; i < 6000; ++i) {
    Tensor p = permutation(3, Seed(i).stream("p"));
    ++counts[p[0].item<int64_t>() * 9 + p[1].item<int64_t>() * 3 + p[2].item<int64_t>()];
  }
  ASSERT_EQ(counts.size(), 6u);
  for (auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(GlobalGenerator, GoesOnWhereItsStateWasSaved) {
  seed_global_generator(Seed(5));
  at::randn({3});  // leaves a cached normal sample behind
  const Tensor state = global_generator_state();
  const Tensor first = at::randn({5});
  at::rand({7});
  set_global_generator_state(state);
  EXPECT_TRUE(at::equal(at::randn({5}), first));
  seed_global_generator(Seed(5));
  at::randn({3});
  EXPECT_TRUE(at::equal(at::randn({5}), first));
}

}  // namespace
}  // namespace retort

#include "retort/remote/limits.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(TokenBucket, SpreadsAMinuteEvenly) {
  TokenBucket bucket(120);  // two a second
  double now = 100;
  int taken = 0;
  for (; now < 160; now += 0.01) {
    if (bucket.wait(1, now) > 0) continue;
    bucket.take(1, now);
    ++taken;
  }
  EXPECT_GE(taken, 120);
  EXPECT_LE(taken, 122);
}

TEST(TokenBucket, SaysHowLong) {
  TokenBucket bucket(60);
  EXPECT_EQ(bucket.wait(1, 5), 0);
  bucket.take(1, 5);
  EXPECT_DOUBLE_EQ(bucket.wait(1, 5.25), 0.75);
  bucket.give_back(1);
  EXPECT_EQ(bucket.wait(1, 5.25), 0);
}

TEST(TokenBucket, LargeAmountsLeaveADebt) {
  TokenBucket bucket(600);  // ten a second
  EXPECT_EQ(bucket.wait(100, 0), 0);
  bucket.take(100, 0);
  EXPECT_DOUBLE_EQ(bucket.wait(10, 1), 9);  // 10 - 100 + 10 = -80 there, 10 wanted
}

TEST(TokenBucket, ClockThatStandsStill) {
  TokenBucket bucket(60);
  bucket.take(1, 10);
  EXPECT_DOUBLE_EQ(bucket.wait(1, 9), 1);  // backwards counts as no time
}

TEST(TokenBucket, NoLimit) {
  TokenBucket bucket(0);
  bucket.take(1e9, 0);
  EXPECT_EQ(bucket.wait(1e9, 0), 0);
}

TEST(Width, HalvesOncePerRoundAndGrowsSlowly) {
  Width width(16);
  EXPECT_EQ(width.now(), 16);
  width.good();
  EXPECT_EQ(width.now(), 16);
  width.refused(1, 2);
  width.refused(1.5, 2.5);  // had left before the cut
  EXPECT_EQ(width.now(), 8);
  width.refused(2, 3);
  EXPECT_EQ(width.now(), 4);
  for (int i = 0; i < 5; ++i) width.good();
  EXPECT_EQ(width.now(), 5);
  for (int i = 0; i < 1000; ++i) width.good();
  EXPECT_EQ(width.now(), 16);
  for (int i = 0; i < 10; ++i) width.refused(10 + i, 10 + i);
  EXPECT_EQ(width.now(), 1);
}

}  // namespace
}  // namespace retort

#include "retort/remote/retry.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(Retry, StatusesWorthAnotherTry) {
  for (const int status : {408, 409, 429, 500, 502, 503, 504}) EXPECT_TRUE(status_worth_another_try(status)) << status;
  for (const int status : {200, 301, 400, 401, 403, 404, 413, 422, 501}) EXPECT_FALSE(status_worth_another_try(status)) << status;
}

TEST(Retry, Failures) {
  HttpReply reply;
  reply.failure = "connection refused";
  EXPECT_FALSE(worth_another_try(reply));
  reply.passing = true;
  EXPECT_TRUE(worth_another_try(reply));
  reply.status = 429;
  reply.retry_after = 3601;  // longer than anybody waits
  EXPECT_FALSE(worth_another_try(reply));
  reply.retry_after = 3600;
  EXPECT_TRUE(worth_another_try(reply));
}

TEST(Retry, WaitsTwiceAsLongEachTime) {
  EXPECT_DOUBLE_EQ(wait_before_try(1, 1, 60, -1, 1), 1);
  EXPECT_DOUBLE_EQ(wait_before_try(4, 1, 60, -1, 0.5), 4);
  EXPECT_DOUBLE_EQ(wait_before_try(10, 1, 60, -1, 1.5), 90);
  EXPECT_DOUBLE_EQ(wait_before_try(3, 1, 60, 7, 1.2), 7);
  EXPECT_DOUBLE_EQ(wait_before_try(3, 1, 60, 0, 1.2), 0);
}

TEST(Retry, ReadsRetryAfter) {
  const std::string noon = "Sun, 06 Nov 1994 12:00:00 GMT";
  EXPECT_EQ(retry_after_seconds("120", ""), 120);
  EXPECT_EQ(retry_after_seconds("0", ""), 0);
  EXPECT_EQ(retry_after_seconds("Sun, 06 Nov 1994 12:02:00 GMT", noon), 120);
  EXPECT_EQ(retry_after_seconds("Sun, 06 Nov 1994 11:00:00 GMT", noon), 0);
  EXPECT_EQ(retry_after_seconds("Sun, 06 Nov 1994 12:02:00 GMT", ""), 0);  // long ago by any clock
  EXPECT_EQ(retry_after_seconds("", noon), -1);
  EXPECT_EQ(retry_after_seconds("soon", noon), -1);
  EXPECT_EQ(retry_after_seconds("-5", noon), -1);
  EXPECT_GT(retry_after_seconds("99999999999999999999", noon), kLongestWait);
}

}  // namespace
}  // namespace retort

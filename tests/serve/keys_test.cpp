#include "retort/serve/keys.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "retort/base/file.h"
#include "tests/support.h"

namespace retort {
namespace {

using std::chrono::milliseconds;

TEST(Keys, AreFoundByTheirTokens) {
  ::setenv("SERVE_TEST_ONE", "token-of-one", 1);
  ::setenv("SERVE_TEST_TWO", "token-of-two", 1);
  const KeyRing ring({key_from_environment("SERVE_TEST_ONE", 0), key_from_environment("SERVE_TEST_TWO:top-3", 60)}, {});
  EXPECT_FALSE(ring.open());
  EXPECT_EQ(ring.find("token-of-one"), 0);
  EXPECT_EQ(ring.find("token-of-two"), 1);
  for (const char* wrong : {"", "token-of-on", "token-of-one ", "token-of-three", "SERVE_TEST_ONE"})
    EXPECT_EQ(ring.find(wrong), -1) << wrong;
  EXPECT_EQ(ring.key(1).exposure.text(), "top-3");
  EXPECT_TRUE(ring.key(0).embeddings);
  EXPECT_FALSE(ring.key(1).embeddings);
  EXPECT_EQ(ring.key(1).requests_per_minute, 60);
}

TEST(Keys, AreRefusedWhenTheyCannotBeTokens) {
  ::unsetenv("SERVE_TEST_NONE");
  EXPECT_EQ(caught<ConfigError>([] { key_from_environment("SERVE_TEST_NONE", 0); }).line,
            "the variable SERVE_TEST_NONE is not set: it must hold the token of a key");
  ::setenv("SERVE_TEST_BAD", "short", 1);
  EXPECT_THROW(key_from_environment("SERVE_TEST_BAD", 0), ConfigError);
  ::setenv("SERVE_TEST_BAD", "with a space in it", 1);
  EXPECT_THROW(key_from_environment("SERVE_TEST_BAD", 0), ConfigError);
  ::setenv("SERVE_TEST_BAD", "token-of-one", 1);
  ::setenv("SERVE_TEST_ONE", "token-of-one", 1);
  EXPECT_THROW(KeyRing({key_from_environment("SERVE_TEST_ONE", 0), key_from_environment("SERVE_TEST_BAD", 0)}, {}), ConfigError);
  EXPECT_THROW(key_from_environment("SERVE_TEST_ONE:some", 0), ConfigError);
}

TEST(Keys, ComeFromAPolicy) {
  const Scratch scratch;
  ::setenv("SERVE_TEST_ONE", "token-of-one", 1);
  ::setenv("SERVE_TEST_TWO", "token-of-two", 1);
  const std::string path = scratch.file("policy.toml");
  write_file(path,
             "[keys.own]\nenv = \"SERVE_TEST_ONE\"\n[keys.partner]\nenv = \"SERVE_TEST_TWO\"\nexposure = \"labels\"\nembeddings = "
             "true\nrequests_per_minute = 5\n");
  const auto keys = keys_from_policy(path, 100);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].name, "own");
  EXPECT_EQ(keys[0].requests_per_minute, 100);
  EXPECT_EQ(keys[1].exposure.text(), "labels");
  EXPECT_TRUE(keys[1].embeddings);
  EXPECT_EQ(keys[1].requests_per_minute, 5);
  for (const char* wrong : {"", "[keys.a]\n", "[keys.a]\nenv = \"SERVE_TEST_ONE\"\nexpsure = \"full\"\n",
                            "[keys.a]\nenv = \"SERVE_TEST_ONE\"\nexposure = \"all\"\n", "[key.a]\nenv = \"SERVE_TEST_ONE\"\n"}) {
    write_file(path, wrong);
    EXPECT_THROW(keys_from_policy(path, 0), ConfigError) << wrong;
  }
}

TEST(RateLimit, LetsThroughWhatItSays) {
  RateLimit limit(6);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(limit.take(start), 0);
  EXPECT_NEAR(limit.take(start), 10, 1e-9);
  EXPECT_NEAR(limit.take(start + milliseconds(4000)), 6, 1e-9);
  EXPECT_EQ(limit.take(start + milliseconds(10001)), 0);
  EXPECT_GT(limit.take(start + milliseconds(10001)), 9);
  RateLimit none(0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(none.take(start), 0);
}

}  // namespace
}  // namespace retort

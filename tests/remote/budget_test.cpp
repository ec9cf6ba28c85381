#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/remote/response_cache.h"

namespace retort {
namespace {

TEST(Budget, CountsCallsAndTokens) {
  Budget budget;
  budget.price_call = 0.01;
  budget.price_prompt = 2;
  budget.price_completion = 8;
  EXPECT_DOUBLE_EQ(budget.cost({3, 500000, 250000, 0}), 0.03 + 1 + 2);
}

TEST(RequestKey, DependsOnContentAlone) {
  const auto a = nlohmann::json::parse(R"({"model":"m","n":1})"), b = nlohmann::json::parse(R"({ "n": 1, "model": "m" })");
  EXPECT_EQ(request_key("http://h/v1", a, 0), request_key("http://h/v1", b, 0));
  EXPECT_NE(request_key("http://h/v1", a, 0), request_key("http://h/v1", a, 1));
  EXPECT_NE(request_key("http://h/v1", a, 0), request_key("http://g/v1", a, 0));
  EXPECT_EQ(request_key("http://h/v1", a, 0).size(), 64u);
}

TEST(CacheMode, HasThreeNames) {
  EXPECT_EQ(cache_mode_from("replay-only"), CacheMode::replay_only);
  EXPECT_THROW(cache_mode_from("on"), ConfigError);
}

}  // namespace
}  // namespace retort

#include "retort/base/error.h"
#include "retort/base/sha256.h"
#include "retort/remote/response_cache.h"

namespace retort {

CacheMode cache_mode_from(const std::string& name) {
  if (name == "off") return CacheMode::off;
  if (name == "read-write") return CacheMode::read_write;
  if (name == "replay-only") return CacheMode::replay_only;
  throw ConfigError(fmt::format("cache mode \"{}\": expected off, read-write or replay-only", name));
}

std::string request_key(const std::string& url, const nlohmann::json& request, int64_t sample) {
  return sha256_of(nlohmann::json{{"url", url}, {"request", request}, {"sample", sample}}.dump());  // nlohmann::json sorts its keys
}

Usage& Usage::operator+=(const Usage& other) {
  calls += other.calls;
  prompt_tokens += other.prompt_tokens;
  completion_tokens += other.completion_tokens;
  money += other.money;
  return *this;
}

double Budget::cost(const Usage& usage) const {
  return price_call * static_cast<double>(usage.calls) +
         (price_prompt * static_cast<double>(usage.prompt_tokens) + price_completion * static_cast<double>(usage.completion_tokens)) / 1e6;
}

}  // namespace retort

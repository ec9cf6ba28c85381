// Who may ask, how much of the answers they see, and how often they may ask.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "retort/serve/exposure.h"

namespace retort {

struct ApiKey {
  std::string name;    // in /metrics and error messages; never the token
  std::string digest;  // SHA-256 of the token; the token itself is not kept
  Exposure exposure;
  bool embeddings = true;
  int64_t requests_per_minute = 0;  // 0: no limit
};

// `env`: the variable that holds the token, which may be followed by ":exposure". Embeddings are shown where the exposure is full.
// Throws ConfigError: the variable is not set or its value cannot be a token.
ApiKey key_from_environment(const std::string& env, int64_t requests_per_minute);
// A policy file (TOML):
//   [keys.partner]
//   env = "PARTNER_KEY"            # the variable that holds the token
//   exposure = "top-5"             # full unless given
//   embeddings = false             # true unless given where the exposure is full
//   requests_per_minute = 600      # `requests_per_minute` unless given; 0: no limit
// Throws ConfigError (file:line).
std::vector<ApiKey> keys_from_policy(const std::string& path, int64_t requests_per_minute);

// Tokens come fast at first and then at an even pace: `per_minute` at once, then one every 60 / per_minute seconds.
class RateLimit {
 public:
  explicit RateLimit(int64_t per_minute) : per_minute_(per_minute), left_(static_cast<double>(per_minute)) {}
  // 0 when one may pass now, else the seconds until then.
  double take(std::chrono::steady_clock::time_point now);

 private:
  const int64_t per_minute_;
  double left_;
  std::chrono::steady_clock::time_point last_{};
  bool started_ = false;
  std::mutex mutex_;
};

class KeyRing {
 public:
  // No keys: whoever comes is `anonymous`. Throws ConfigError for two keys with one token or one name.
  KeyRing(std::vector<ApiKey> keys, ApiKey anonymous);
  bool open() const { return open_; }
  // Whose token this is (-1: nobody's); the time it takes does not depend on how much of a token is right.
  int find(std::string_view token) const;
  const ApiKey& key(int index) const { return keys_[static_cast<size_t>(index)]; }
  size_t size() const { return keys_.size(); }
  double take(int index) { return limits_[static_cast<size_t>(index)]->take(std::chrono::steady_clock::now()); }

 private:
  std::vector<ApiKey> keys_;
  std::vector<std::unique_ptr<RateLimit>> limits_;
  bool open_;
};

}  // namespace retort

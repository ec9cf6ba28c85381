#include "retort/serve/keys.h"

#include <algorithm>
#include <cstdlib>

#include "retort/base/error.h"
#include "retort/base/recipe.h"
#include "retort/base/sha256.h"

namespace retort {
namespace {

constexpr size_t kLeastToken = 8;

std::string token_digest(const std::string& variable) {
  const char* const token = std::getenv(variable.c_str());
  if (!token || !*token)
    throw ConfigError(fmt::format("the variable {} is not set: it must hold the token of a key", variable),
                      fmt::format("export {}=\"$(openssl rand -hex 24)\"", variable));
  const std::string_view text(token);
  if (text.size() < kLeastToken || text.size() > 4096 || std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; }))
    throw ConfigError(fmt::format("the token in {} must be {} to 4096 visible ASCII characters without spaces", variable, kLeastToken),
                      "make one with `openssl rand -hex 24`");
  return sha256_of(text);
}

struct KeyKnobs {
  std::string env, exposure = "full";
  bool embeddings = true;
  int64_t per_minute = 0;
  void describe(Knobs& knobs) {
    knobs("env", env, "environment variable that holds the token");
    knobs("exposure", exposure, "full, labels, top-K, rounded-D or noised-S");
    knobs("embeddings", embeddings, "whether embeddings are shown");
    knobs("requests_per_minute", per_minute, "0 for no limit", at_least(0));
  }
};

}  // namespace

ApiKey key_from_environment(const std::string& env, int64_t requests_per_minute) {
  const size_t colon = env.find(':');
  const std::string variable = env.substr(0, colon);
  ApiKey key;
  key.name = variable;
  key.digest = token_digest(variable);
  if (colon != std::string::npos) key.exposure = Exposure::parse(env.substr(colon + 1));
  key.embeddings = key.exposure.kind == Exposure::Kind::full;
  key.requests_per_minute = requests_per_minute;
  return key;
}

std::vector<ApiKey> keys_from_policy(const std::string& path, int64_t requests_per_minute) {
  Recipe policy = Recipe::load(path);
  std::vector<ApiKey> keys;
  for (const std::string& name : policy.tables("keys")) {
    const std::string table = "keys." + name;
    const bool own_pace = policy.has(table + ".requests_per_minute"), own_embeddings = policy.has(table + ".embeddings");
    const auto knobs = policy.read<KeyKnobs>(table);
    if (knobs.env.empty())
      throw ConfigError(fmt::format("{}: {}: no \"env\": the variable that holds the token", policy.where(table), table),
                        "tokens never stand in files: env = \"PARTNER_KEY\"");
    ApiKey key;
    key.name = name;
    try {
      key.exposure = Exposure::parse(knobs.exposure);
      key.digest = token_digest(knobs.env);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}: {}", policy.where(table), error.what()), error.hint());
    }
    key.embeddings = own_embeddings ? knobs.embeddings : key.exposure.kind == Exposure::Kind::full;
    key.requests_per_minute = own_pace ? knobs.per_minute : requests_per_minute;
    keys.push_back(std::move(key));
  }
  policy.finish();
  if (keys.empty()) throw ConfigError(path + ": a policy without keys", "add a table such as [keys.partner] with env = \"PARTNER_KEY\"");
  return keys;
}

double RateLimit::take(std::chrono::steady_clock::time_point now) {
  if (per_minute_ == 0) return 0;
  const std::lock_guard lock(mutex_);
  const double most = static_cast<double>(per_minute_);
  if (started_) left_ = std::min(most, left_ + std::chrono::duration<double>(now - last_).count() * most / 60);
  started_ = true;
  last_ = now;
  if (left_ < 1) return (1 - left_) * 60 / most;
  left_ -= 1;
  return 0;
}

KeyRing::KeyRing(std::vector<ApiKey> keys, ApiKey anonymous) : keys_(std::move(keys)), open_(keys_.empty()) {
  if (open_) keys_.push_back(std::move(anonymous));
  for (size_t i = 0; i < keys_.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (keys_[i].name == keys_[k].name) throw ConfigError(fmt::format("two keys are called {}", keys_[i].name), "name each key once");
      if (keys_[i].digest == keys_[k].digest)
        throw ConfigError(fmt::format("the keys {} and {} have the same token", keys_[k].name, keys_[i].name),
                          "give each key a token of its own");
    }
    limits_.push_back(std::make_unique<RateLimit>(keys_[i].requests_per_minute));
  }
}

int KeyRing::find(std::string_view token) const {
  const std::string digest = sha256_of(token);
  int found = -1;
  for (size_t i = 0; i < keys_.size(); ++i) {
    unsigned different = 0;
    for (size_t c = 0; c < digest.size() && c < keys_[i].digest.size(); ++c)
      different |= static_cast<unsigned char>(digest[c]) ^ static_cast<unsigned char>(keys_[i].digest[c]);
    if (!keys_[i].digest.empty() && different == 0) found = static_cast<int>(i);
  }
  return found;
}

}  // namespace retort

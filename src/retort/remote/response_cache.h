// What was asked, what was answered and what it cost: one SQLite file (WAL) that several processes may share and that survives a kill at any moment.
//
// Nothing secret comes in here: a request is its canonical JSON body and the URL, never its headers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort {

enum class CacheMode { off, read_write, replay_only };
CacheMode cache_mode_from(const std::string& name);  // "off", "read-write", "replay-only"; throws ConfigError

// SHA-256 of {"url", "request", "sample"} as JSON with sorted keys and no spaces. `sample` tells repeated samples of one request apart.
std::string request_key(const std::string& url, const nlohmann::json& request, int64_t sample);

struct Usage {
  int64_t calls = 0, prompt_tokens = 0, completion_tokens = 0;
  double money = 0;
  Usage& operator+=(const Usage& other);
};

// What may be spent under one name; 0 is no limit. Prices are per million tokens, `price_call` per call.
struct Budget {
  std::string name = "default";
  int64_t max_calls = 0, max_prompt_tokens = 0, max_completion_tokens = 0;
  double max_money = 0, price_prompt = 0, price_completion = 0, price_call = 0;
  double cost(const Usage& usage) const;  // money of its calls and tokens
};

// An answer that is to be kept and paid.
struct Answered {
  std::string key, url;  // without a key: booked and not kept, such as a reply that cannot be used
  nlohmann::json request, reply;
  Usage usage;
  int64_t reservation = 0;
};

// For one thread at a time; another thread or process opens the file for itself. What is still reserved when it goes is let go.
class ResponseCache {
 public:
  // Makes the file where there is none. An empty path: in memory. Throws StorageError (cannot be written), DataError (another kind of file, damaged).
  ResponseCache(const std::string& path, CacheMode mode);
  ~ResponseCache();
  ResponseCache(const ResponseCache&) = delete;
  ResponseCache& operator=(const ResponseCache&) = delete;
  CacheMode mode() const;

  // The kept reply; nothing with mode off. A hit costs nothing. Throws TeacherError in mode replay-only for a miss.
  std::optional<nlohmann::json> find(const std::string& key);

  // Sets aside the worst that a call can cost, over all processes that share the file; those that died hold nothing. Money that is 0 is worked out from the
  // prices. A budget without limits needs no reservation: 0. Throws BudgetError, naming the limit, what is spent, what other calls in flight may still cost, and
  // what this one would.
  int64_t reserve(const Budget& budget, const Usage& worst);
  // The call brought nothing that must be paid (refused, connection lost before an answer).
  void release(int64_t reservation);
  // In one transaction: keeps the replies (mode read-write; the first answer to a request stays), books what they cost (money that is 0 is worked out from
  // the prices), ends their reservations. When it returns, a kill loses none of them. Throws StorageError, and then nothing of it happened.
  void settle(const Budget& budget, const std::vector<Answered>& answers);
  Usage spent(const std::string& budget) const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// `retort cache`: what is kept, by URL and model.
struct CacheSummary {
  std::string url, model;
  int64_t answers = 0, bytes = 0;
  std::string oldest, newest;  // UTC, ISO 8601
};
std::vector<CacheSummary> summarise_cache(const std::string& path);
std::vector<std::pair<std::string, Usage>> ledger_of_cache(const std::string& path);
// One JSON object a line: {"key", "url", "request", "reply", "usage", "at"}; a file appears whole, "-" is stdout. Import keeps what is there already and returns how many were new.
int64_t export_cache(const std::string& path, const std::string& jsonl);
int64_t import_cache(const std::string& path, const std::string& jsonl);  // throws DataError (file:line) and then imports nothing
// Removes answers older than so many days and, newest kept, beyond so many bytes (0: no such limit); the ledger stays. Returns how many went.
int64_t prune_cache(const std::string& path, double days, int64_t bytes);

}  // namespace retort

// Asks an endpoint many questions: cache, budget, limits, retries, and answers in the order in which they come.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "retort/base/error.h"
#include "retort/base/knobs.h"
#include "retort/remote/http.h"
#include "retort/remote/response_cache.h"

namespace retort {

// [teacher.endpoint] of a recipe, [endpoint] of a capture.
struct EndpointKnobs {
  std::string url, api = "classifier", model, key_env, key_style = "bearer", cache = ".cache/retort/answers.db", cache_mode = "read-write";
  int64_t concurrency = 16, items = 64, tries = 5;
  int64_t requests_per_minute = 0, tokens_per_minute = 0;
  double retry_base = 1, retry_cap = 60, connect_seconds = 10, stall_seconds = 60, total_seconds = 600;
  std::string budget = "default";
  int64_t max_calls = 0, max_prompt_tokens = 0, max_completion_tokens = 0;
  double max_money = 0, price_prompt = 0, price_completion = 0, price_call = 0;
  // What the server does not take, and is then given another way.
  bool many_choices = true, takes_seed = true, takes_system = true;
  std::string length_field = "max_tokens";  // or max_completion_tokens
  void describe(Knobs& knobs);
  void check() const;  // throws ConfigError: no url, a key variable that is not set, prices without limits …
  Budget allowance() const;
  std::string key() const;  // the secret itself, from the environment; empty where key_env is. Throws ConfigError.
};

// Where a question goes: the path comes before a query that the endpoint's URL may have (Azure's api-version).
std::string joined_url(const std::string& url, const std::string& path);
// As it may be printed: without the query.
std::string shown_url(const std::string& url);

// What the endpoint said no to, or why it could not be reached (status 0).
struct EndpointError : TeacherError {
  EndpointError(int64_t http_status, const std::string& line, std::string hint)
      : TeacherError(line, std::move(hint)), status(http_status) {}
  int64_t status;
};
// A reply that breaks the API's promise. `again`: another try may bring a better one (no choices, a torn body); NaN it will bring again.
struct BrokenReply : TeacherError {
  explicit BrokenReply(const std::string& line, bool worth_another_try = false)
      : TeacherError(line, "is this the API that the recipe names?"), again(worth_another_try) {}
  bool again;
};

struct Question {
  nlohmann::json request;  // the body, without secrets; what the cache key is made of
  std::string path;        // appended to the endpoint's URL: "/chat/completions", "" for a classifier
  int64_t sample = 0;      // tells repeated samples of one request apart
  Usage worst;             // the most that the call can cost; calls = 1 and money are filled in
  int64_t tag = 0;         // the asker hands it back
};

// A reply as the caller wants it kept, with what it cost in tokens. Called once per reply from the wire; throws BrokenReply for one that breaks the
// API's promise. Such a reply is paid all the same: it is booked at its worst and not kept.
struct Checked {
  nlohmann::json reply;
  Usage usage;
};
using CheckReply = std::function<Checked(const Question&, const nlohmann::json& body)>;

struct AskProgress {
  int64_t answered = 0, from_cache = 0, in_flight = 0, retries = 0;
  int64_t concurrency = 0;  // what the server lets through now
  Usage spent;
};

class Asker {
 public:
  explicit Asker(EndpointKnobs knobs);
  ~Asker();
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;
  const EndpointKnobs& knobs() const;
  ResponseCache& cache();

  // Pulls questions while there is room and hands answers over as they come; memory stays flat however many there are. Waits for what is in flight
  // before it throws: TeacherError (endpoint, status, what to do), BudgetError, Interrupted (what was answered is kept), StorageError.
  void ask(const std::function<std::optional<Question>()>& next, const CheckReply& check,
           const std::function<void(const Question&, const nlohmann::json& reply, bool from_cache)>& answered);
  nlohmann::json ask(const Question& question, const CheckReply& check);  // one, waited for
  const AskProgress& progress() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace retort

// Providers' batch endpoints: questions go up as one file and the answers come down hours later, for less money.
#pragma once

#include <functional>
#include <string>

#include "retort/remote/asker.h"

namespace retort {

// [batch] of a capture.
struct BatchKnobs {
  double price = 0.5, poll_seconds = 30, hours = 24;
  int64_t requests = 50000, bytes = 100'000'000;
  void describe(Knobs& knobs);
};

// Questions by number, made when they are needed: `make(at)` gives the same one every time, and with it the key of its answer.
struct NumberedQuestions {
  int64_t count = 0;
  std::function<Question(int64_t at)> make;
  std::function<bool(int64_t at)> wanted;  // false: answered and kept elsewhere already
};

struct BatchEnd {
  int64_t batches = 0, sent = 0, answered = 0, failed = 0;
};

// Sends every wanted question that the cache cannot answer, waits for the batches, and puts what comes back into the cache, paid at `knobs.price` times
// the live price. What failed is left for live calls. The file at `state` remembers what is under way, so that another process can wait for it
// after a kill; remove it when the capture is whole. Questions that it says were sent are not sent again. Throws BudgetError (before anything of
// that batch is sent), TeacherError (no such endpoint, refused key), Interrupted (the batches go on without us), ConfigError (`state` is of another
// capture, whose `identity` differs; a cache that keeps nothing).
BatchEnd ask_in_batches(const EndpointKnobs& endpoint, const BatchKnobs& knobs, ResponseCache& cache, const NumberedQuestions& questions,
                        const CheckReply& check, const std::string& state, const std::string& identity);

// The "url" of a batch line: where the endpoint would be asked, without the server's name. "https://a.b/v1" and "/chat/completions" give
// "/v1/chat/completions".
std::string path_on_server(const std::string& endpoint_url, const std::string& path);
// One line of a batch's output: its number and body, or nothing for a failure. Throws TeacherError for anything else than such a line.
struct BatchLine {
  int64_t at = 0;
  std::string mark;     // the first 16 digits of the question's key
  nlohmann::json body;  // null where this request failed
};
BatchLine read_batch_line(const std::string& line);

}  // namespace retort

// Requests that come at the same time share a forward pass.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "retort/serve/exposure.h"
#include "retort/serve/served.h"

namespace retort {

// Inputs of one request, and the place of their answers.
struct BatchJob {
  std::vector<float> inputs;  // [rows, …shape], prepared
  int64_t rows = 0;
  bool embeddings = false;  // instead of probabilities
  Exposure exposure;
  std::vector<Seed> seeds;     // one a row, where noise is wanted
  std::vector<double> answer;  // [rows, classes] as the exposure shows them, or [rows, width]
  std::string failure;         // why there is no answer

  int64_t taken = 0, done = 0;  // the batcher's own counts
  bool ended = false;
  std::condition_variable told;
  std::chrono::steady_clock::time_point came;
};

class Batcher {
 public:
  // A pass runs as soon as `rows` wait, or `wait_seconds` after the first of them came. At most `queue_rows` wait. `ran` hears the size of every pass.
  Batcher(Served& served, int64_t rows, double wait_seconds, int64_t queue_rows, std::function<void(int64_t)> ran);
  ~Batcher();  // ends when all that waits is answered
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  bool answer(BatchJob& job);  // waits for it; false, at once, when there is no room in the queue
  int64_t waiting_rows() const;

 private:
  struct Part {
    BatchJob* job;
    int64_t first, rows;
  };
  void work();
  std::vector<Part> gather(std::unique_lock<std::mutex>& lock);
  void run(const std::vector<Part>& parts);

  Served& served_;
  int64_t rows_, queue_rows_, waiting_ = 0;
  std::chrono::steady_clock::duration wait_;
  std::function<void(int64_t)> ran_;
  std::deque<BatchJob*> queue_;
  bool stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::thread worker_;
};

}  // namespace retort

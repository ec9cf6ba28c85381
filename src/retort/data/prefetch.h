// Batches made ahead by worker threads, handed out in order.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "retort/data/loader.h"

namespace retort {

class Prefetch {
 public:
  // Makes steps [first, last) with `workers` threads, at most two batches a worker ahead. `make` runs in several threads at once.
  Prefetch(int64_t first, int64_t last, int64_t workers, std::function<Batch(int64_t step)> make);
  ~Prefetch();   // waits for the batches that are being made
  Batch next();  // the next step in order; rethrows what `make` threw for it. Not to be called more than last - first times.

 private:
  void work();

  struct Made {
    Batch batch;
    std::exception_ptr error;
  };
  std::function<Batch(int64_t)> make_;
  int64_t claimed_, taken_, last_, ahead_;
  bool stop_ = false;
  std::map<int64_t, Made> ready_;
  std::mutex mutex_;
  std::condition_variable room_, made_;
  std::vector<std::thread> threads_;
};

}  // namespace retort

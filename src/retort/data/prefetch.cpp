#include "retort/data/prefetch.h"

#include <omp.h>

namespace retort {

Prefetch::Prefetch(int64_t first, int64_t last, int64_t workers, std::function<Batch(int64_t)> make)
    : make_(std::move(make)), claimed_(first), taken_(first), last_(last), ahead_(2 * workers) {
  for (int64_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

Prefetch::~Prefetch() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Prefetch::work() {
  omp_set_num_threads(1);  // of this thread: workers are parallel among themselves
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [this] { return stop_ || claimed_ == last_ || claimed_ < taken_ + ahead_; });
    if (stop_ || claimed_ == last_) return;
    const int64_t step = claimed_++;
    lock.unlock();
    Made made;
    try {
      made.batch = make_(step);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    ready_[step] = std::move(made);
    made_.notify_all();
  }
}

Batch Prefetch::next() {
  std::unique_lock lock(mutex_);
  made_.wait(lock, [this] { return ready_.count(taken_) > 0; });
  Made made = std::move(ready_.at(taken_));
  ready_.erase(taken_++);
  lock.unlock();
  room_.notify_all();
  if (made.error) std::rethrow_exception(made.error);
  return std::move(made.batch);
}

}  // namespace retort

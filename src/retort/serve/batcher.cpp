#include "retort/serve/batcher.h"

#include <cmath>
#include <cstring>

#include "retort/base/error.h"

namespace retort {

Batcher::Batcher(Served& served, int64_t rows, double wait_seconds, int64_t queue_rows, std::function<void(int64_t)> ran)
    : served_(served),
      rows_(rows),
      queue_rows_(queue_rows),
      wait_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(wait_seconds))),
      ran_(std::move(ran)),
      worker_([this] { work(); }) {}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  came_.notify_all();
  worker_.join();
}

int64_t Batcher::waiting_rows() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

bool Batcher::answer(BatchJob& job) {
  std::unique_lock lock(mutex_);
  if (waiting_ + job.rows > queue_rows_) return false;
  waiting_ += job.rows;
  job.came = std::chrono::steady_clock::now();
  queue_.push_back(&job);
  came_.notify_one();
  job.told.wait(lock, [&] { return job.ended; });
  return true;
}

// Waits for a batch worth running; the rows of large requests go out in parts. Empty when all is answered and no more will come.
std::vector<Batcher::Part> Batcher::gather(std::unique_lock<std::mutex>& lock) {
  came_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) return {};
  came_.wait_until(lock, queue_.front()->came + wait_, [&] { return stopping_ || waiting_ >= rows_; });
  std::vector<Part> parts;
  for (int64_t room = rows_; room > 0 && !queue_.empty();) {
    BatchJob& job = *queue_.front();
    const int64_t count = std::min(room, job.rows - job.taken);
    parts.push_back({&job, job.taken, count});
    job.taken += count;
    room -= count;
    waiting_ -= count;
    if (job.taken == job.rows) queue_.pop_front();
  }
  return parts;
}

void Batcher::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    const std::vector<Part> parts = gather(lock);
    if (parts.empty()) return;
    lock.unlock();
    std::string failure;
    try {
      run(parts);
    } catch (const std::exception& error) {
      failure = error.what();
      failure = failure.substr(0, failure.find('\n'));
    }
    lock.lock();
    for (const Part& part : parts) {
      if (!failure.empty()) part.job->failure = failure;
      part.job->done += part.rows;
      if (part.job->done < part.job->rows) continue;
      part.job->ended = true;
      part.job->told.notify_one();
    }
  }
}

void Batcher::run(const std::vector<Part>& parts) {
  int64_t rows = 0;
  bool embeddings = false;
  for (const Part& part : parts) {
    rows += part.rows;
    embeddings = embeddings || part.job->embeddings;
  }
  std::vector<int64_t> shape = served_.input().shape;
  shape.insert(shape.begin(), rows);
  const Tensor inputs = at::empty(shape, at::kFloat);
  const int64_t size = inputs.numel() / rows;
  float* to = inputs.data_ptr<float>();
  for (const Part& part : parts) {
    std::memcpy(to, part.job->inputs.data() + part.first * size, static_cast<size_t>(part.rows * size) * sizeof(float));
    to += part.rows * size;
  }
  const ServedAnswer answer = served_.answer(inputs, embeddings);
  ran_(rows);
  int64_t at = 0;
  for (const Part& part : parts) {
    BatchJob& job = *part.job;
    Tensor mine = (job.embeddings ? answer.embeddings : answer.probabilities).narrow(0, at, part.rows);
    at += part.rows;
    if (!mine.isfinite().all().item<bool>()) {
      job.failure = "the model's answer is not a finite number";
      continue;
    }
    if (!job.embeddings) {
      std::vector<Seed> seeds;
      if (!job.seeds.empty()) seeds.assign(job.seeds.begin() + part.first, job.seeds.begin() + part.first + part.rows);
      mine = job.exposure.show(mine, seeds);
    }
    mine = mine.to(at::kDouble).contiguous();
    const double* const values = mine.data_ptr<double>();
    job.answer.insert(job.answer.end(), values, values + mine.numel());
  }
}

}  // namespace retort

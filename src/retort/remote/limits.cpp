#include "retort/remote/limits.h"

#include <algorithm>

namespace retort {

TokenBucket::TokenBucket(double per_minute) : rate_(per_minute / 60), room_(std::max(1.0, rate_)), level_(room_) {}

void TokenBucket::fill(double now) {
  if (filled_ >= 0) level_ = std::min(room_, level_ + std::max(0.0, now - filled_) * rate_);
  filled_ = now;
}

double TokenBucket::wait(double amount, double now) {
  if (rate_ <= 0) return 0;
  fill(now);
  const double missing = std::min(amount, room_) - level_;
  return missing <= 1e-9 ? 0 : missing / rate_;
}

void TokenBucket::take(double amount, double now) {
  if (rate_ <= 0) return;
  fill(now);
  level_ -= amount;
}

void TokenBucket::give_back(double amount) { level_ = std::min(room_, level_ + amount); }

Width::Width(int64_t most) : most_(static_cast<double>(most)), width_(most_) {}

int64_t Width::now() const { return static_cast<int64_t>(width_); }

void Width::good() { width_ = std::min(most_, width_ + 1 / width_); }

void Width::refused(double started, double now) {
  if (started < cut_) return;
  width_ = std::max(1.0, width_ / 2);
  cut_ = now;
}

}  // namespace retort

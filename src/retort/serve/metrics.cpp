#include "retort/serve/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace retort {
namespace {

std::string head(const std::string& name, const std::string& kind, const std::string& about) {
  return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, about, name, kind);
}

std::string single(const std::string& name, const std::string& kind, const std::string& about, int64_t value) {
  return head(name, kind, about) + fmt::format("{} {}\n", name, value);
}

}  // namespace

void Histogram::add(double value) {
  ++counts_[static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin())];
  sum_ += value;
}

std::string Histogram::text(const std::string& name) const {
  std::string out;
  int64_t total = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf", total);
  }
  return out + fmt::format("{}_sum {}\n{}_count {}\n", name, sum_, name, total);
}

ServeMetrics::ServeMetrics()
    : seconds_({0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}),
      batches_({1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}) {}

void ServeMetrics::answered(int code, double seconds) {
  const std::lock_guard lock(mutex_);
  ++codes_[code];
  seconds_.add(seconds);
}
void ServeMetrics::asked_by(const std::string& key) {
  const std::lock_guard lock(mutex_);
  ++keys_[key];
}
void ServeMetrics::images(int64_t count) {
  const std::lock_guard lock(mutex_);
  images_ += count;
}
void ServeMetrics::batch(int64_t rows) {
  const std::lock_guard lock(mutex_);
  batches_.add(static_cast<double>(rows));
}
void ServeMetrics::refused_connection() {
  const std::lock_guard lock(mutex_);
  ++refused_;
}
void ServeMetrics::in_flight(int change) {
  const std::lock_guard lock(mutex_);
  in_flight_ += change;
}
void ServeMetrics::connections(int change) {
  const std::lock_guard lock(mutex_);
  connections_ += change;
}
int64_t ServeMetrics::open_connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::string ServeMetrics::text(int64_t queue_rows, int64_t body_bytes) const {
  const std::lock_guard lock(mutex_);
  std::string out = head("retort_requests_total", "counter", "Requests answered, by status code.");
  for (const auto& [code, count] : codes_) out += fmt::format("retort_requests_total{{code=\"{}\"}} {}\n", code, count);
  out += head("retort_key_requests_total", "counter", "Requests let in, by name of the key.");
  for (const auto& [key, count] : keys_) out += fmt::format("retort_key_requests_total{{key=\"{}\"}} {}\n", key, count);
  out += single("retort_images_total", "counter", "Inputs answered.", images_);
  out += single("retort_refused_connections_total", "counter", "Connections refused because all places were taken.", refused_);
  out += single("retort_requests_in_flight", "gauge", "Requests being read or answered.", in_flight_);
  out += single("retort_connections", "gauge", "Open connections.", connections_);
  out += single("retort_queue_rows", "gauge", "Inputs waiting for a forward pass.", queue_rows);
  out += single("retort_body_bytes", "gauge", "Bytes of bodies held.", body_bytes);
  out += head("retort_batch_rows", "histogram", "Inputs of a forward pass.") + batches_.text("retort_batch_rows");
  out += head("retort_request_seconds", "histogram", "From the first byte of a request to its answer.") +
         seconds_.text("retort_request_seconds");
  return out;
}

}  // namespace retort

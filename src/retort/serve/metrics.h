// Counts of a server, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace retort {

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void add(double value);
  std::string text(const std::string& name) const;  // bucket, sum and count lines

 private:
  std::vector<double> bounds_;  // upper, inclusive
  std::vector<int64_t> counts_;
  double sum_ = 0;
};

class ServeMetrics {
 public:
  ServeMetrics();
  void answered(int code, double seconds);
  void asked_by(const std::string& key);
  void images(int64_t count);
  void batch(int64_t rows);
  void refused_connection();
  void in_flight(int change);
  void connections(int change);
  int64_t open_connections() const;
  std::string text(int64_t queue_rows, int64_t body_bytes) const;

 private:
  mutable std::mutex mutex_;
  std::map<int, int64_t> codes_;
  std::map<std::string, int64_t> keys_;
  Histogram seconds_, batches_;
  int64_t images_ = 0, refused_ = 0, in_flight_ = 0, connections_ = 0;
};

}  // namespace retort

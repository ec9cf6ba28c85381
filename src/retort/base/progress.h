// Progress for people: a bar with rate and ETA on a terminal, a plain line every 10 s otherwise, nothing when quiet. Writes to stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace retort {

class Progress {
 public:
  Progress(std::string what, int64_t total, bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance_to(int64_t done, const std::string& note = {});
  void finish(const std::string& note = {});  // leaves one line: what, total, time

 private:
  std::string what_;
  int64_t total_, done_ = 0, started_at_ = -1;
  bool quiet_, terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, shown_;
};

// One line to stderr, or nothing when quiet.
void set_quiet(bool quiet);
bool quiet();
void say(const std::string& line);
void warn(const std::string& line);  // "warning: …"

}  // namespace retort

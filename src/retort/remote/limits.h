// How fast and how wide an endpoint may be asked. Pure state machines: `now` is the caller's monotonic clock, in seconds.
#pragma once

#include <cstdint>

namespace retort {

// So many a minute, spread evenly: at most a second's worth (and at least one request) at once. One amount larger than that is let through from a
// full bucket and leaves a debt. 0 a minute: no limit.
class TokenBucket {
 public:
  explicit TokenBucket(double per_minute);
  double wait(double amount, double now);  // seconds until so much may be taken; 0: now
  void take(double amount, double now);
  void give_back(double amount);  // of what was taken for the worst case

 private:
  void fill(double now);
  double rate_, room_, level_, filled_ = -1;
};

// Requests in flight: one more for every round of good answers, half as many when the server says that they are too many. Requests that left before the
// last cut do not cut again: they tell of the same moment.
class Width {
 public:
  explicit Width(int64_t most);
  int64_t now() const;
  void good();
  void refused(double started, double now);

 private:
  double most_, width_, cut_ = -1;
};

}  // namespace retort

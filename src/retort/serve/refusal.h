// Turning connections away when all places are taken: they get their 503 at once, and a moment to read it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace retort {

// A whole HTTP answer with a JSON error, for where no request was read: "HTTP/1.1 503 …".
std::string raw_reply(int status, const std::string& reason, const std::string& body, int retry_after = 0);

class Refusal {
 public:
  Refusal();
  ~Refusal();
  Refusal(const Refusal&) = delete;
  Refusal& operator=(const Refusal&) = delete;
  void refuse(int socket);  // never waits; closes the socket in the end

 private:
  struct Waiting {
    int socket;
    std::chrono::steady_clock::time_point until;
  };
  void work();

  static constexpr size_t kMost = 256;
  const std::string answer_;
  std::deque<Waiting> waiting_;
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable came_;
  std::thread worker_;
};

}  // namespace retort

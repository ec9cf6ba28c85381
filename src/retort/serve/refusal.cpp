#include "retort/serve/refusal.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "retort/serve/api.h"

namespace retort {

std::string raw_reply(int status, const std::string& reason, const std::string& body, int retry_after) {
  return fmt::format("HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}", status,
                     reason, body.size(), retry_after > 0 ? fmt::format("Retry-After: {}\r\n", retry_after) : "", body);
}

Refusal::Refusal()
    : answer_(raw_reply(503, "Service Unavailable", error_reply(503, "all connections are taken; try again in a moment", "overloaded").body,
                        /*retry_after=*/1)),
      worker_([this] { work(); }) {}

Refusal::~Refusal() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  came_.notify_all();
  worker_.join();
}

void Refusal::refuse(int socket) {
  ::send(socket, answer_.data(), answer_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_WR);
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < kMost && !stopping_) {
      waiting_.push_back({socket, std::chrono::steady_clock::now() + std::chrono::milliseconds(500)});
      came_.notify_one();
      return;
    }
  }
  ::close(socket);
}

// Closing at once, with the request unread, would reset the connection and take the answer with it.
void Refusal::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    came_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto until = waiting_.front().until;
    came_.wait_until(lock, until, [&] { return stopping_; });
    const auto now = std::chrono::steady_clock::now();
    while (!waiting_.empty() && (stopping_ || waiting_.front().until <= now)) {
      char gone[4096];
      while (::recv(waiting_.front().socket, gone, sizeof gone, MSG_DONTWAIT) > 0) {
      }
      ::close(waiting_.front().socket);
      waiting_.pop_front();
    }
  }
}

}  // namespace retort

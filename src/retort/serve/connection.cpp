#include "retort/serve/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace retort {
namespace {

constexpr size_t kReadBytes = 16 * 1024, kWriteBytes = 64 * 1024;

std::chrono::steady_clock::time_point after(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Connection::Connection(int socket, int wake, const ConnectionLimits& limits) : socket_(socket), wake_(wake), limits_(limits) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::~Connection() {
  flush();
  linger();
  ::close(socket_);
}

// Whether the socket becomes ready in time; with `wakes`, draining counts as not.
bool Connection::wait(short events, Clock::time_point until, bool wakes) const {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left < 0) return false;
    pollfd watched[2] = {{socket_, events, 0}, {wake_, POLLIN, 0}};
    const int ready = ::poll(watched, wakes ? 2 : 1, static_cast<int>(std::min<int64_t>(left + 1, 1'000'000)));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (watched[0].revents) return true;
    return false;
  }
}

// More bytes of the client; false at its end.
bool Connection::fill(Clock::time_point until) {
  if (!wait(POLLIN, until, /*wakes=*/false)) {
    timed_out_ = true;
    return false;
  }
  in_.resize(kReadBytes);
  in_at_ = 0;
  ssize_t count = 0;
  do count = ::recv(socket_, in_.data(), in_.size(), 0);
  while (count < 0 && errno == EINTR);
  in_.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count <= 0) broken_ = true;
  return count > 0;
}

bool Connection::await_request() {
  if (in_at_ == in_.size()) {
    in_ = std::string();  // an idle client costs no buffer
    in_at_ = 0;
    if (!wait(POLLIN, after(limits_.idle_seconds), /*wakes=*/true)) return false;
    if (!fill(after(limits_.head_seconds))) return false;
  }
  begun_ = Clock::now();
  until_ = after(limits_.head_seconds);
  head_read_ = 0;
  in_head_ = true;
  answered_ = false;
  return true;
}

void Connection::begin_body() {
  in_head_ = false;
  until_ = after(limits_.body_seconds);
}

void Connection::close_after() { closing_ = true; }

double Connection::seconds() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

ssize_t Connection::read(char* to, size_t size) {
  if (!out_.empty() && !flush()) return -1;  // "100 Continue" must be out before the client goes on
  if (in_head_ && head_read_ >= limits_.head_bytes) {
    head_too_large_ = true;
    return -1;
  }
  if (in_at_ == in_.size() && !fill(until_)) return -1;
  const size_t count = std::min(size, in_.size() - in_at_);
  std::memcpy(to, in_.data() + in_at_, count);
  in_at_ += count;
  if (in_head_) head_read_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* from, size_t size) {
  answered_ = true;
  out_.append(from, size);
  if (out_.size() >= kWriteBytes && !flush()) return -1;
  return static_cast<ssize_t>(size);
}

bool Connection::flush() {
  const auto until = after(limits_.write_seconds);
  size_t sent = 0;
  while (sent < out_.size() && !broken_) {
    const ssize_t count = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0)
      sent += static_cast<size_t>(count);
    else if (errno == EAGAIN)
      broken_ = !wait(POLLOUT, until, /*wakes=*/false);
    else if (errno != EINTR)
      broken_ = true;
  }
  out_ = std::string();
  return !broken_;
}

// A socket closed with bytes unread is reset, and the client may never see the answer: so reads a little on, but not for long.
void Connection::linger() {
  if (broken_ || !closing_) return;
  ::shutdown(socket_, SHUT_WR);
  const auto until = after(1);
  char gone[4096];
  for (size_t total = 0; total < (size_t{1} << 22) && wait(POLLIN, until, /*wakes=*/true);) {
    const ssize_t count = ::recv(socket_, gone, sizeof gone, 0);
    if (count <= 0) break;
    total += static_cast<size_t>(count);
  }
}

}  // namespace retort

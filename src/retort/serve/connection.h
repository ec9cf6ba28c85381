// One client's socket, for httplib: every request has deadlines as a whole, not only from byte to byte, and its head a limit.
#pragma once

#include <chrono>
#include <string>

#include <httplib.h>

namespace retort {

struct ConnectionLimits {
  double idle_seconds = 30;   // between requests
  double head_seconds = 10;   // for request line and headers
  double body_seconds = 60;   // for the body
  double write_seconds = 60;  // for the answer to be taken
  size_t head_bytes = 32 * 1024;
};

class Connection final : public httplib::Stream {
 public:
  // `wake`: a descriptor that becomes readable when the server drains. Closes the socket in the end.
  Connection(int socket, int wake, const ConnectionLimits& limits);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The first byte of a request is there; false when the client went, was idle too long, or the server drains.
  bool await_request();
  void begin_body();   // the head is read: from now on the deadline of the body counts
  void close_after();  // no more requests after this one
  bool closing() const { return closing_; }
  bool timed_out() const { return timed_out_; }
  bool head_too_large() const { return head_too_large_; }
  double seconds() const;  // since the first byte of the request
  bool flush();
  // For what the HTTP parser gives up on without an answer.
  bool answered() const { return answered_; }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override {
    return -1;
  }  // httplib refuses descriptors that select() cannot take; this one is never given to select()

 private:
  using Clock = std::chrono::steady_clock;
  bool wait(short events, Clock::time_point until, bool wakes) const;
  bool fill(Clock::time_point until);
  void linger();

  int socket_, wake_;
  const ConnectionLimits& limits_;
  std::string in_, out_;
  size_t in_at_ = 0, head_read_ = 0;
  Clock::time_point begun_, until_;
  bool in_head_ = true, closing_ = false, timed_out_ = false, head_too_large_ = false, broken_ = false, answered_ = false;
};

}  // namespace retort

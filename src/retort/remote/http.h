// Many HTTP requests in flight over kept connections (libcurl's multi interface), driven by the thread that waits for them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace retort {

struct HttpRequest {
  std::string url, method = "POST", body, content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // secrets are here and nowhere else
  double connect_seconds = 10, stall_seconds = 60, total_seconds = 600;
  int64_t max_bytes = int64_t{64} << 20;  // of the reply
};

struct HttpReply {
  int64_t status = 0;    // 0: no whole reply came
  std::string failure;   // then why: "connection refused", "the name … is not known", "TLS: …", "stalled for 60 s", "reply over 64 MiB"
  bool sent = false;     // whether the server may have seen the request
  bool passing = false;  // whether the failure may be gone at the next try: a refused connection may, a wrong certificate not
  std::string body, content_type;
  double retry_after = -1;  // seconds; -1 where the server did not say
  double seconds = 0;
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  // The callback runs inside pump(). TLS is verified; proxies come from the environment.
  void start(HttpRequest request, std::function<void(HttpReply)> done);
  size_t in_flight() const;
  // Moves all transfers on, waits at most so long for something to happen, and runs the callbacks of what has ended.
  void pump(double seconds);
  HttpReply ask(HttpRequest request);  // one, waited for

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace retort

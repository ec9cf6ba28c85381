#include "retort/remote/http.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/remote/retry.h"

namespace retort {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_between(Clock::time_point a, Clock::time_point b) { return std::chrono::duration<double>(b - a).count(); }

// One request on its way. libcurl keeps pointers into it, so it stays where it is.
struct Transfer {
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  HttpRequest request;
  HttpReply reply;
  std::function<void(HttpReply)> done;
  bool over = false;                    // the reply grew beyond max_bytes
  int64_t moved = 0, header_bytes = 0;  // bytes that went either way until the last look
  Clock::time_point start, alive;       // when it began; when a byte last moved
  char error[CURL_ERROR_SIZE] = {};
};

size_t on_body(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t n = size * count;
  if (static_cast<int64_t>(transfer.reply.body.size() + n) > transfer.request.max_bytes) {
    transfer.over = true;
    return 0;  // ends the transfer
  }
  transfer.reply.body.append(bytes, n);
  return n;
}

size_t on_header(char*, size_t size, size_t count, void* user) {
  static_cast<Transfer*>(user)->header_bytes += static_cast<int64_t>(size * count);
  return size * count;
}

std::string header_of(CURL* easy, const char* name) {
  curl_header* header = nullptr;
  return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : std::string();
}

std::string in_bytes(int64_t bytes) {
  return bytes >= int64_t{1} << 20 && bytes % (int64_t{1} << 20) == 0 ? fmt::format("{} MiB", bytes >> 20) : fmt::format("{} bytes", bytes);
}

std::string host_of(const std::string& url) {
  const size_t start = url.find("://");
  const size_t from = start == std::string::npos ? 0 : start + 3;
  return url.substr(from, url.find_first_of("/?:", from) - from);
}

template <class Value>
Value info_of(CURL* easy, CURLINFO what) {
  Value value{};
  curl_easy_getinfo(easy, what, &value);
  return value;
}

struct Failure {
  std::string text;
  bool passing;
};

Failure failure_of(const Transfer& transfer, CURLcode code) {
  const HttpRequest& request = transfer.request;
  const std::string detail = transfer.error[0] ? transfer.error : curl_easy_strerror(code);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
      if (info_of<curl_off_t>(transfer.easy, CURLINFO_PRETRANSFER_TIME_T) > 0) return {"the server does not speak HTTP", false};
      [[fallthrough]];
    case CURLE_URL_MALFORMAT:
      return {"not a URL that can be asked", false};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {fmt::format("the name {} is not known", host_of(request.url)), true};
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {"the name of the proxy is not known", true};
    case CURLE_COULDNT_CONNECT: {
      const long number = info_of<long>(transfer.easy, CURLINFO_OS_ERRNO);
      if (number == ECONNREFUSED) return {"connection refused", true};
      return {number ? fmt::format("no connection: {}", std::strerror(static_cast<int>(number))) : fmt::format("no connection: {}", detail),
              true};
    }
    case CURLE_OPERATION_TIMEDOUT:
      if (info_of<curl_off_t>(transfer.easy, CURLINFO_PRETRANSFER_TIME_T) == 0)
        return {fmt::format("no connection within {:g} s", std::min(request.connect_seconds, request.total_seconds)), true};
      return {fmt::format("no whole reply within {:g} s", request.total_seconds), true};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return {"TLS: " + detail, false};
    case CURLE_WRITE_ERROR:
      if (transfer.over) return {"reply over " + in_bytes(request.max_bytes), false};
      return {detail, false};
    case CURLE_GOT_NOTHING:
      return {"the server closed the connection without a reply", true};
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return {fmt::format("the connection broke after {} bytes of the reply", transfer.reply.body.size()), true};
    case CURLE_WEIRD_SERVER_REPLY:
      return {"the server does not speak HTTP", false};
    default:
      return {detail, false};
  }
}

}  // namespace

// libcurl tells which sockets to watch and when to call again; epoll watches them, so that the cost of a pump grows with what happens, not with how
// many requests are in flight.
struct HttpClient::Body {
  CURLM* multi = nullptr;
  int poller = -1;
  bool timer = false;
  Clock::time_point due;                    // of the timer
  Clock::time_point looked = Clock::now();  // for stalls
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> flying;
  std::vector<CURL*> spare;  // handles cost more to make than to use again
  double shortest_stall = 1e9;

  Body() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = ready == CURLE_OK ? curl_multi_init() : nullptr;
    poller = ::epoll_create1(EPOLL_CLOEXEC);
    if (!multi || poller < 0) throw TeacherError("no HTTP client could be made", "is the limit of open files reached?");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1024L);
  }
  ~Body() {
    for (auto& [easy, transfer] : flying) {
      curl_multi_remove_handle(multi, easy);
      curl_slist_free_all(transfer->headers);
      curl_easy_cleanup(easy);
    }
    for (CURL* easy : spare) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    ::close(poller);
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    auto& self = *static_cast<Body*>(user);
    epoll_event event{};
    event.data.fd = socket;
    event.events = (what & CURL_POLL_IN ? static_cast<uint32_t>(EPOLLIN) : 0u) |
                   (what & CURL_POLL_OUT ? static_cast<uint32_t>(EPOLLOUT) : 0u);
    if (what == CURL_POLL_REMOVE) {
      ::epoll_ctl(self.poller, EPOLL_CTL_DEL, socket, &event);
    } else if (::epoll_ctl(self.poller, EPOLL_CTL_MOD, socket, &event) != 0) {
      ::epoll_ctl(self.poller, EPOLL_CTL_ADD, socket, &event);
    }
    return 0;
  }
  static int on_timer(CURLM*, long milliseconds, void* user) {
    auto& self = *static_cast<Body*>(user);
    self.timer = milliseconds >= 0;
    self.due = Clock::now() + std::chrono::milliseconds(milliseconds);
    return 0;
  }

  void end(CURL* easy, CURLcode code, const std::string& stalled);
  void collect();
  void end_stalled();
};

void HttpClient::Body::end(CURL* easy, CURLcode code, const std::string& stalled) {
  const auto found = flying.find(easy);
  const std::unique_ptr<Transfer> transfer = std::move(found->second);
  flying.erase(found);
  HttpReply& reply = transfer->reply;
  reply.seconds = seconds_between(transfer->start, Clock::now());
  reply.sent = info_of<long>(easy, CURLINFO_REQUEST_SIZE) > 0;
  if (!stalled.empty()) {
    reply.failure = stalled;
    reply.passing = true;
  } else if (code != CURLE_OK) {
    Failure failure = failure_of(*transfer, code);
    reply.failure = std::move(failure.text);
    reply.passing = failure.passing;
  } else {
    reply.status = info_of<long>(easy, CURLINFO_RESPONSE_CODE);
    if (const char* type = info_of<char*>(easy, CURLINFO_CONTENT_TYPE)) reply.content_type = type;
    if (reply.status >= 300) reply.retry_after = retry_after_seconds(header_of(easy, "Retry-After"), header_of(easy, "Date"));
  }
  if (reply.status == 0) reply.body.clear();
  curl_multi_remove_handle(multi, easy);
  curl_slist_free_all(transfer->headers);
  curl_easy_reset(easy);  // keeps nothing of the request, secrets included
  spare.push_back(easy);
  transfer->done(std::move(reply));
}

void HttpClient::Body::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result, {});
  }
}

// A connection that is open and on which nothing moves. (While it is being made the time to connect is what counts.)
void HttpClient::Body::end_stalled() {
  const auto now = Clock::now();
  if (seconds_between(looked, now) < std::min(0.5, shortest_stall / 4)) return;
  looked = now;
  std::vector<std::pair<CURL*, std::string>> stalled;
  for (auto& [easy, transfer] : flying) {
    const int64_t moved = static_cast<int64_t>(transfer->reply.body.size()) + transfer->header_bytes +
                          info_of<curl_off_t>(easy, CURLINFO_SIZE_UPLOAD_T);
    const bool connected = info_of<curl_off_t>(easy, CURLINFO_PRETRANSFER_TIME_T) > 0;
    if (moved != transfer->moved || !connected) transfer->alive = now;
    transfer->moved = moved;
    if (seconds_between(transfer->alive, now) < transfer->request.stall_seconds) continue;
    stalled.emplace_back(easy, transfer->header_bytes == 0 ? fmt::format("no answer began within {:g} s", transfer->request.stall_seconds)
                                                           : fmt::format("stalled for {:g} s after {} bytes of the reply",
                                                                         transfer->request.stall_seconds, transfer->reply.body.size()));
  }
  for (auto& [easy, why] : stalled) end(easy, CURLE_OPERATION_TIMEDOUT, why);
}

HttpClient::HttpClient() : body_(std::make_unique<Body>()) {}
HttpClient::~HttpClient() = default;
size_t HttpClient::in_flight() const { return body_->flying.size(); }

void HttpClient::start(HttpRequest request, std::function<void(HttpReply)> done) {
  Body& b = *body_;
  CURL* easy = nullptr;
  if (b.spare.empty()) {
    easy = curl_easy_init();
  } else {
    easy = b.spare.back();
    b.spare.pop_back();
  }
  if (!easy) throw TeacherError("no HTTP request could be made", "is the memory full?");
  auto transfer = std::make_unique<Transfer>();
  Transfer& t = *transfer;
  t.easy = easy;
  t.request = std::move(request);
  t.done = std::move(done);
  t.start = t.alive = Clock::now();
  const HttpRequest& r = t.request;
  const auto milliseconds = [](double seconds) { return std::max(1L, static_cast<long>(std::ceil(seconds * 1000))); };
  const bool tls = r.url.compare(0, 8, "https://") == 0;
  curl_easy_setopt(easy, CURLOPT_URL, r.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  if (tls) curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);  // rather one HTTP/2 connection for all than one connection each
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r.connect_seconds));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(r.total_seconds));
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t.error);
  if (r.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r.method == "POST" ? nullptr : r.method.c_str());
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r.body.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    t.headers = curl_slist_append(t.headers, ("Content-Type: " + r.content_type).c_str());
    t.headers = curl_slist_append(t.headers, "Expect:");  // no round trip before the body
  }
  for (const auto& [name, value] : r.headers) t.headers = curl_slist_append(t.headers, (name + ": " + value).c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t.headers);
  b.shortest_stall = std::min(b.shortest_stall, r.stall_seconds);
  b.flying.emplace(easy, std::move(transfer));
  curl_multi_add_handle(b.multi, easy);
}

void HttpClient::pump(double seconds) {
  Body& b = *body_;
  const auto now = Clock::now();
  double wait = std::max(0.0, seconds);
  if (b.timer) wait = std::min(wait, std::max(0.0, seconds_between(now, b.due)));
  if (!b.flying.empty()) wait = std::min(wait, std::min(0.5, b.shortest_stall / 4));
  epoll_event events[256];
  const int happened = ::epoll_wait(b.poller, events, 256, static_cast<int>(std::ceil(wait * 1000)));
  int running = 0;
  for (int i = 0; i < happened; ++i) {
    const uint32_t e = events[i].events;
    const int what = (e & EPOLLIN ? CURL_CSELECT_IN : 0) | (e & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                     (e & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR | CURL_CSELECT_IN : 0);
    curl_multi_socket_action(b.multi, events[i].data.fd, what, &running);
  }
  if (b.timer && Clock::now() >= b.due) {
    b.timer = false;
    curl_multi_socket_action(b.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  b.collect();
  b.end_stalled();
}

HttpReply HttpClient::ask(HttpRequest request) {
  std::optional<HttpReply> reply;
  start(std::move(request), [&](HttpReply come) { reply = std::move(come); });
  while (!reply) pump(1);
  return std::move(*reply);
}

}  // namespace retort

// The only file that knows httplib's server; it is written to what the releases 0.11 and 0.18 share.
#include "retort/serve/server.h"

#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/serve/connection.h"
#include "retort/serve/refusal.h"

namespace retort {
namespace {

// A request while it is served, seen by the handlers that httplib calls on the connection's thread.
struct Exchange {
  Connection& connection;
  int key = -1;
  bool admitted = false;
};
thread_local Exchange* current = nullptr;
thread_local bool refusing = false;  // on the accepting thread: the connection at hand finds no place

// A thread a connection, so many at most.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(int64_t most) : most_(most) {
    pthread_attr_init(&attributes_);
    pthread_attr_setstacksize(&attributes_, kStack);
    pthread_attr_setdetachstate(&attributes_, PTHREAD_CREATE_DETACHED);
  }
  ~ConnectionThreads() override { pthread_attr_destroy(&attributes_); }

  using Enqueued = decltype(std::declval<httplib::TaskQueue&>().enqueue(std::function<void()>()));  // void, then bool
  Enqueued enqueue(std::function<void()> serve) override {
    {
      const std::lock_guard lock(mutex_);
      if (running_ < most_) {
        auto task = std::make_unique<Task>(Task{this, serve});
        pthread_t thread;
        if (pthread_create(&thread, &attributes_, run, task.get()) == 0) {
          task.release();
          ++running_;
          return static_cast<Enqueued>(true);
        }
      }
    }
    refusing = true;
    serve();
    refusing = false;
    return static_cast<Enqueued>(true);
  }
  void shutdown() override {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return running_ == 0; });
  }

 private:
  static constexpr size_t kStack = 512 * 1024;  // reserved; only what is touched takes memory
  struct Task {
    ConnectionThreads* owner;
    std::function<void()> serve;
  };
  static void* run(void* given) {
    const std::unique_ptr<Task> task(static_cast<Task*>(given));
    task->serve();
    const std::lock_guard lock(task->owner->mutex_);
    --task->owner->running_;
    task->owner->ended_.notify_all();
    return nullptr;
  }

  pthread_attr_t attributes_;
  int64_t most_, running_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
};

using Setup = std::function<void(httplib::Request&)>;

class HttpServer final : public httplib::Server {
 public:
  HttpServer(Api& api, const ServeOptions& options) : api_(api), options_(options), wake_(::eventfd(0, EFD_CLOEXEC)) {
    limits_.idle_seconds = options.idle_seconds;
    limits_.head_seconds = options.head_seconds;
    limits_.body_seconds = options.body_seconds;
    limits_.write_seconds = options.write_seconds;
    new_task_queue = [this] { return new ConnectionThreads(options_.max_clients); };
    set_payload_max_length(std::numeric_limits<size_t>::max());  // the limit is held here, without reading on
    set_socket_options([this](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      listening_ = socket;
    });
    set_expect_100_continue_handler(
        [this](const httplib::Request& request, httplib::Response& response) { return before(request, response) ? response.status : 100; });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return before(request, response) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    for (const char* path : {"/", "/v1/classify", "/v1/embeddings", "/v1/completions", "/v1/chat/completions"})
      Post(path, [this](const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) {
        post(request, response, reader);
      });
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      give(response, error_reply(500, "something failed here", "internal"));
    });
    set_error_handler(Handler([](const httplib::Request&, httplib::Response& response) { explain(response); }));
    set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) { finish(response); });
  }
  ~HttpServer() override { ::close(wake_); }

  int bind(const std::string& host, int port) {
    const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
    // httplib lets five connections wait to be accepted; a thousand clients come at once.
    if (bound > 0) ::listen(listening_, SOMAXCONN);
    return bound;
  }
  void wake_all() {
    const uint64_t one = 1;
    draining_ = true;
    if (::write(wake_, &one, sizeof one) < 0) return;
  }

 private:
  Api& api_;
  const ServeOptions& options_;
  ConnectionLimits limits_;
  Refusal refusal_;
  int wake_;
  std::atomic<bool> draining_{false};
  socket_t listening_ = INVALID_SOCKET;

  static void give(httplib::Response& response, const Reply& reply) {
    response.status = reply.status;
    response.set_content(reply.body, reply.content_type.c_str());
    if (reply.retry_after >= 0)
      response.set_header("Retry-After", std::to_string(static_cast<int64_t>(std::max(1.0, std::ceil(reply.retry_after)))));
    if (!reply.allow.empty()) response.set_header("Allow", reply.allow);
    if (reply.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  }

  // What httplib itself refused gets its message here.
  static void explain(httplib::Response& response) {
    if (!response.body.empty()) return;
    const Connection& connection = current->connection;
    current->connection.close_after();
    if (connection.timed_out()) return give(response, error_reply(408, "the request came too slowly", "timeout"));
    if (connection.head_too_large()) return give(response, error_reply(431, "the headers are too large", "headers_too_large"));
    give(response, error_reply(response.status,
                               response.status == 414   ? "the path is too long"
                               : response.status == 416 ? "ranges are not served"
                                                        : "not a request of HTTP 1.1",
                               "bad_request"));
  }

  void finish(httplib::Response& response) {
    if (draining_) current->connection.close_after();
    if (current->connection.closing()) {
      response.headers.erase("Connection");
      response.headers.erase("Keep-Alive");
      response.set_header("Connection", "close");
    }
    api_.metrics().answered(response.status, current->connection.seconds());
  }

  static std::optional<std::string_view> token_of(const httplib::Request& request) {
    constexpr std::string_view kBearer = "Bearer ";
    for (const auto& [name, value] : request.headers) {
      if (name.size() == 7 && ::strcasecmp(name.c_str(), "api-key") == 0) return value;
      if (::strcasecmp(name.c_str(), "Authorization") == 0 && ::strncasecmp(value.c_str(), kBearer.data(), kBearer.size()) == 0)
        return std::string_view(value).substr(kBearer.size());
    }
    return {};
  }

  // All that can be said before the body is read; true when the answer stands.
  bool before(const httplib::Request& request, httplib::Response& response) {
    Exchange& exchange = *current;
    if (exchange.admitted) return false;
    const size_t lengths = request.get_header_value_count("Content-Length");
    const bool chunked = request.has_header("Transfer-Encoding");
    const std::string length = lengths ? request.get_header_value("Content-Length") : "";
    const bool body = chunked || (lengths && length != "0");
    const auto refuse = [&](const Reply& reply) {
      if (body) exchange.connection.close_after();  // the body stays unread
      give(response, reply);
      return true;
    };
    if (lengths > 1 || (lengths && chunked) ||
        (lengths && (length.empty() || length.size() > 18 || length.find_first_not_of("0123456789") != std::string::npos)) ||
        (chunked && ::strcasecmp(request.get_header_value("Transfer-Encoding").c_str(), "chunked") != 0))
      return refuse(error_reply(400, "the length of the body is not clear", "bad_length"));
    if (auto reply = api_.admit(request.method, request.path, token_of(request), exchange.key)) return refuse(*reply);
    exchange.admitted = true;
    if (request.method != "POST") return refuse(api_.get(request.path, exchange.key));
    if (!lengths && !chunked) return refuse(error_reply(411, "Content-Length is missing", "length_required"));
    if (lengths && std::stoll(length) > options_.max_body) return refuse(too_large());
    if (request.get_header_value("Content-Type").rfind("multipart/", 0) == 0)
      return refuse(error_reply(415, "send JSON (Content-Type: application/json)", "unsupported_media_type"));
    return false;
  }
  Reply too_large() const {
    return error_reply(413, fmt::format("the body is larger than {} bytes; send the inputs in parts", options_.max_body), "body_too_large");
  }

  void post(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& read) {
    Connection& connection = current->connection;
    Lease lease(api_.memory_used(), options_.max_memory);
    std::string body;
    std::optional<Reply> refused;
    if (request.has_header("Content-Length"))
      body.reserve(static_cast<size_t>(std::min<int64_t>(std::stoll(request.get_header_value("Content-Length")), 1 << 20)));
    const bool whole = read([&](const char* data, size_t size) {
      if (static_cast<int64_t>(body.size() + size) > options_.max_body)
        refused = too_large();
      else if (!lease.hold(static_cast<int64_t>(body.size() + size)))
        refused = error_reply(503, "too much is in work; try again in a moment", "overloaded"), refused->retry_after = 1;
      else
        body.append(data, size);
      return !refused;
    });
    if (!whole && !refused)
      refused = connection.timed_out() ? error_reply(408, "the body came too slowly", "timeout")
                                       : error_reply(400, "the body ends early, or is not encoded as its headers say", "bad_body");
    if (refused) connection.close_after();
    give(response, refused ? *refused : api_.post(request.path, std::move(body), current->key, lease));
  }

  template <class Process>
  bool process(Process process_request, Connection& connection, bool close, bool& closed, const Setup& setup) {
    if constexpr (std::is_invocable_v<Process, HttpServer&, httplib::Stream&, bool, bool&, const Setup&>)
      return (this->*process_request)(connection, close, closed, setup);
    else
      return (this->*process_request)(connection, "", 0, "", 0, close, closed, setup);  // since 0.12: both sides' addresses
  }

  bool process_and_close_socket(socket_t socket) override {
    if (refusing) {
      api_.metrics().refused_connection();
      refusal_.refuse(socket);
      return true;
    }
    api_.metrics().connections(+1);
    serve(socket);
    api_.metrics().connections(-1);
    return true;
  }

  void serve(int socket) {
    Connection connection(socket, wake_, limits_);
    const Setup setup = [&](httplib::Request& request) {
      connection.begin_body();
      request.ranges.clear();
      request.headers.erase("Accept-Encoding");  // answers are small; packing them costs more than it saves
    };
    while (!connection.closing() && connection.await_request()) {
      Exchange exchange{connection};
      current = &exchange;
      api_.metrics().in_flight(+1);
      bool closed = false;
      const bool served = process(&HttpServer::process_request, connection, draining_, closed, setup);
      if (!served && !connection.answered()) give_up(connection);
      api_.metrics().in_flight(-1);
      current = nullptr;
      if (!connection.flush() || !served || closed) break;
    }
  }

  // The request line never came whole.
  void give_up(Connection& connection) {
    if (!connection.timed_out() && !connection.head_too_large()) return;
    const int status = connection.timed_out() ? 408 : 431;
    const std::string text = raw_reply(status, status == 408 ? "Request Timeout" : "Request Header Fields Too Large",
                                       error_reply(status, status == 408 ? "the request came too slowly" : "the request line is too long",
                                                   status == 408 ? "timeout" : "headers_too_large")
                                           .body);
    connection.write(text.data(), text.size());
    connection.close_after();
    api_.metrics().answered(status, connection.seconds());
  }
};

bool reaches_only_itself(const std::string& host) { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

void allow_open_files(int64_t clients) {
  const auto needed = static_cast<rlim_t>(clients + 256 + 128);  // clients, refused ones, and what the program itself has open
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed)
    throw ConfigError(fmt::format("{} clients need {} open files, and {} are allowed", clients, needed, limit.rlim_max),
                      "raise `ulimit -n`, or give a smaller --max-clients");
  limit.rlim_cur = needed;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct Server::Body {
  std::unique_ptr<Served> served;
  ServeOptions options;
  Api api;
  HttpServer http;
  std::thread listener;
  std::atomic<bool> ended{false};
  int port = 0;

  Body(std::unique_ptr<Served> what, KeyRing keys, const ServeOptions& given)
      : served(std::move(what)), options(given), api(*served, std::move(keys), options), http(api, options) {}
};

Server::Server(std::unique_ptr<Served> served, std::vector<ApiKey> keys, ApiKey anonymous, const ServeOptions& options) {
  options.check();
  if (!reaches_only_itself(options.host) && keys.empty() && !options.open)
    throw ConfigError(fmt::format("--host {}: others can reach it, and no key is asked of them", options.host),
                      "name keys with --key-env or --policy, or say --open");
  allow_open_files(options.max_clients);
  body_ = std::make_unique<Body>(std::move(served), KeyRing(std::move(keys), std::move(anonymous)), options);
  body_->port = body_->http.bind(options.host, static_cast<int>(options.port));
  if (body_->port <= 0) {
    throw ConfigError(fmt::format("cannot listen on {} port {}", options.host, options.port),
                      "the port is taken, or the host is not one of this machine; --port 0 takes any free port");
  }
  body_->listener = std::thread([body = body_.get()] {
    body->http.listen_after_bind();
    body->ended = true;
  });
  while (!body_->http.is_running() && !body_->ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Server::~Server() { drain(); }

int Server::port() const { return body_->port; }
std::string Server::url() const {
  return fmt::format(body_->options.host.find(':') == std::string::npos ? "http://{}:{}" : "http://[{}]:{}", body_->options.host,
                     body_->port);
}
ServeMetrics& Server::metrics() { return body_->api.metrics(); }

void Server::drain() {
  if (!body_ || !body_->listener.joinable()) return;
  body_->api.drain();
  body_->http.wake_all();
  body_->http.stop();
  body_->listener.join();
}

}  // namespace retort

// An HTTP server that misbehaves as a test wants it to: plain sockets, a thread a connection.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <nlohmann/json.hpp>

namespace retort::testing {

struct Asked {
  std::string method, path, head, body;  // head: all header lines
  int64_t number = 0;                    // of the request, from 0
  nlohmann::json json() const { return nlohmann::json::parse(body); }
};

class FaultServer;

// The connection that a request came on.
class Wire {
 public:
  Wire(FaultServer& server, int socket) : server_(server), socket_(socket) {}
  void send(std::string_view bytes);
  void reply(int status, const std::string& body, const std::string& more_headers = "", const std::string& type = "application/json");
  void reply(const nlohmann::json& body) { reply(200, body.dump()); }
  void half_close();          // nothing more will be sent
  void close();               // nor read
  void wait(double seconds);  // or until the server ends
  bool open() const { return open_; }

 private:
  FaultServer& server_;
  int socket_;
  bool open_ = true;
};

class FaultServer {
 public:
  using Handler = std::function<void(const Asked&, Wire&)>;  // runs on the threads of the connections
  explicit FaultServer(Handler handler);
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;
  std::string url(const std::string& path = "", const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + path;
  }
  int64_t requests() const { return requests_; }
  int64_t connections() const { return connections_; }
  bool ending() const { return ending_; }

 private:
  void accept_all();
  void serve(int socket);

  Handler handler_;
  int port_ = 0, listener_ = -1;  // the listener writes the port
  std::atomic<int64_t> requests_{0}, connections_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::list<int> sockets_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

// A port of this machine on which nobody listens.
int closed_port();

}  // namespace retort::testing

// A client by bare sockets, which can be as rude as a test wants it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "retort/serve/server.h"

namespace retort {

struct Heard {
  int status = 0;                              // 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string message() const;  // of an error
};

using HeaderList = std::vector<std::string>;  // "Name: value"

class Client {
 public:
  explicit Client(int port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  bool connected() const { return socket_ >= 0; }
  void send(const std::string& bytes) const;  // what the other side no longer wants is lost
  Heard hear(bool head_only = false);         // the next answer
  bool ended();                               // whether the other side closed, without another byte
  Heard ask(const std::string& method, const std::string& path, const std::string& body = {}, const HeaderList& headers = {});

 private:
  int socket_ = -1;
  std::string in_;
  bool more();
};

std::string request_text(const std::string& method, const std::string& path, const std::string& body = {}, const HeaderList& headers = {});
Heard ask(int port, const std::string& method, const std::string& path, const std::string& body = {}, const HeaderList& headers = {});

// A net of four numbers and three classes.
InputSpec tiny_input();
Net tiny_net();
std::unique_ptr<Served> tiny_served();
ApiKey anonymous_key(const std::string& exposure = "full");
ServeOptions test_options();  // port 0, no waiting for batches

}  // namespace retort

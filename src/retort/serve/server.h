// The HTTP server around the API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "retort/serve/api.h"

namespace retort {

class Server {
 public:
  // No keys: whoever reaches the server is `anonymous`. Throws ConfigError: a host that others can reach, without any key and not `open`; a port that is
  // taken; a limit of open files that does not allow so many clients. From now on it answers.
  Server(std::unique_ptr<Served> served, std::vector<ApiKey> keys, ApiKey anonymous, const ServeOptions& options);
  ~Server();  // drains
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  std::string url() const;
  // Takes no more connections, answers what has been asked, and returns when the last client is served.
  void drain();
  ServeMetrics& metrics();

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace retort

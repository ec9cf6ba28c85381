// The API, without its transport: who may ask what, and the replies.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "retort/serve/batcher.h"
#include "retort/serve/keys.h"
#include "retort/serve/metrics.h"
#include "retort/serve/request.h"
#include "retort/serve/served.h"

namespace retort {

struct ServeOptions {
  std::string host = "127.0.0.1";
  int64_t port = 8080;                            // 0: any free one
  bool open = false;                              // another host than the own one without any key
  int64_t max_body = int64_t{16} << 20;           // bytes
  int64_t max_memory = int64_t{512} << 20;        // bytes that bodies, inputs and answers in work may take together
  int64_t max_clients = 1024, max_inputs = 1024;  // connections; inputs of a request
  int64_t batch = 64, queue = 4096;               // rows of a forward pass; rows that may wait for one
  double batch_wait_ms = 2;
  double idle_seconds = 30, head_seconds = 10, body_seconds = 60, write_seconds = 60;
  void check() const;  // throws ConfigError
};

struct Reply {
  int status = 200;
  std::string body, content_type = "application/json";
  double retry_after = -1;  // seconds
  std::string allow;        // with 405: the method that the path takes
};
// {"error": {"message", "type", "param", "code"}}, as OpenAI's API has it.
Reply error_reply(int status, const std::string& message, const std::string& code = {}, const std::string& param = {});

// Bytes of a common store; all of them are given back in the end.
class Lease {
 public:
  Lease(std::atomic<int64_t>& used, int64_t limit) : used_(used), limit_(limit) {}
  ~Lease() { used_ -= held_; }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  bool hold(int64_t bytes);  // so many from now on; false when there are not enough

 private:
  std::atomic<int64_t>& used_;
  int64_t limit_, held_ = 0;
};

class Api {
 public:
  Api(Served& served, KeyRing keys, const ServeOptions& options);

  // Before a body is read: a reply that can be given at once, or nothing, and then `key` says who asks. `token`: bearer or api-key, empty where none came.
  std::optional<Reply> admit(const std::string& method, const std::string& path, std::optional<std::string_view> token, int& key);
  Reply get(const std::string& path, int key) const;
  Reply post(const std::string& path, std::string body, int key, Lease& lease);

  std::atomic<int64_t>& memory_used() { return memory_used_; }
  ServeMetrics& metrics() { return metrics_; }
  void drain() { draining_ = true; }

 private:
  Reply classify(std::string body, const ApiKey& key, bool embeddings, Lease& lease);
  Reply complete(const std::string& body, bool chat);
  Reply models(const ApiKey& key) const;
  std::vector<Seed> noise_seeds(const InputRequest& request, const Exposure& exposure) const;

  Served& served_;
  KeyRing keys_;
  ServeOptions options_;
  ServeMetrics metrics_;
  std::atomic<int64_t> memory_used_{0};
  std::atomic<bool> draining_{false};
  Batcher batcher_;
};

}  // namespace retort

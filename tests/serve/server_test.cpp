#include "retort/serve/server.h"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "client.h"
#include "tests/support.h"

namespace retort {
namespace {

const std::string kRow = "{\"inputs\":[[1,-1,0.5,0]]}";
const std::string kClassify = "/v1/classify";

std::unique_ptr<Server> anonymous_server(const ServeOptions& options = test_options(), const std::string& exposure = "full") {
  return std::make_unique<Server>(tiny_served(), std::vector<ApiKey>{}, anonymous_key(exposure), options);
}

std::vector<std::vector<double>> probs(const Heard& heard) { return heard.json().at("probs").get<std::vector<std::vector<double>>>(); }

Tensor expected(const Tensor& inputs) { return tiny_net().frozen().forward(inputs).softmax(1); }

// Answers when it is let.
class Gate final : public Served {
 public:
  const std::string& name() const override { return name_; }
  const InputSpec& input() const override { return input_; }
  std::string about() const override { return "waits"; }
  std::string fingerprint() const override { return "none"; }
  ServedAnswer answer(const Tensor& inputs, bool) override {
    ++entered;
    while (!open) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {at::full({inputs.size(0), 3}, 1.0 / 3), {}};
  }
  std::atomic<int> entered{0};
  std::atomic<bool> open{false};

 private:
  std::string name_ = "gate";
  InputSpec input_ = tiny_input();
};

TEST(Server, AnswersAsTheNetDoes) {
  const auto server = anonymous_server();
  Client client(server->port());
  const Tensor inputs = at::tensor({1.0f, -1.0f, 0.5f, 0.0f, 2.0f, 0.0f, 0.0f, -3.0f}).view({2, 4});
  for (const char* path : {"/", "/v1/classify"}) {
    const Heard heard = client.ask("POST", path, "{\"inputs\":[[1,-1,0.5,0],[2,0,0,-3]],\"model\":\"trees\"}");  // one connection for all
    ASSERT_EQ(heard.status, 200) << heard.body;
    EXPECT_EQ(heard.headers.at("content-type"), "application/json");
    EXPECT_EQ(heard.json()["exposure"], "full");
    const auto rows = probs(heard);
    ASSERT_EQ(rows.size(), 2u);
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(rows[i][c], expected(inputs)[i][c].item<double>(), 1e-6);
  }
  const Heard models = client.ask("GET", "/v1/models");
  EXPECT_EQ(models.json()["data"][0]["id"], "trees");
  EXPECT_EQ(models.json()["data"][0]["classes"], (std::vector<std::string>{"ash", "birch", "cedar"}));
  EXPECT_EQ(models.json()["data"][0]["input"]["shape"], std::vector<int64_t>{4});
  EXPECT_EQ(client.ask("GET", "/health").json()["status"], "ok");
  EXPECT_EQ(client.ask("HEAD", "/health").status, 200);

  const Heard embeddings = client.ask("POST", "/v1/embeddings", "{\"input\":[[1,-1,0.5,0],[2,0,0,-3]]}");
  ASSERT_EQ(embeddings.status, 200) << embeddings.body;
  Taps taps{{"embedding"}, {}};
  tiny_net().frozen().forward(inputs, &taps);
  const auto second = embeddings.json()["data"][1]["embedding"].get<std::vector<float>>();
  ASSERT_EQ(second.size(), 8u);
  EXPECT_TRUE(at::allclose(at::tensor(second), taps.found.at("embedding")[1], 1e-5, 1e-6));
}

TEST(Server, SaysWhatIsWrong) {
  ServeOptions options = test_options();
  options.max_body = 2000;
  options.max_inputs = 4;
  const auto server = anonymous_server(options);
  const int port = server->port();
  const auto refused = [&](const std::string& body, int status, const std::string& part, const std::string& path = kClassify) {
    const Heard heard = ask(port, "POST", path, body);
    EXPECT_EQ(heard.status, status) << body;
    EXPECT_NE(heard.message().find(part), std::string::npos) << heard.body;
  };
  refused("{\"inputs\":[[1,2,3,4]", 400, "malformed JSON at byte 20");
  refused("{\"inputs\":[[1,2,3]]}", 400, "inputs[0]: expected 4 numbers");
  refused("{\"inputs\":[[1,2,3,NaN]]}", 400, "inputs[0][3] (byte 18) is not a number");
  refused("{\"inputs\":[[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4]]}", 400, "more than 4 inputs");
  refused("{\"inputs\":[[1,2,3,4]],\"logit_bias\":{\"1\":5}}", 400, "logit_bias");
  refused("{\"inputs\":[[1,2,3,4]],\"model\":\"oaks\"}", 404, "there is no model oaks");
  refused("", 400, "malformed JSON at byte 0");
  refused(std::string(3000, ' '), 413, "larger than 2000 bytes");
  refused("{\"messages\":[]}", 404, "writes no text", "/v1/chat/completions");
  refused("{\"prompt\":\"a\"}", 404, "writes no text", "/v1/completions");
  refused("{\"prompt\":\"a\",\"logit_bias\":{}}", 400, "logit_bias", "/v1/completions");
  refused("{\"prompt\"", 400, "malformed JSON", "/v1/completions");
  refused(kRow, 404, "no such path", "/v1/clasify");
  EXPECT_EQ(ask(port, "GET", kClassify).status, 405);
  EXPECT_EQ(ask(port, "GET", kClassify).headers.at("allow"), "POST");
  EXPECT_EQ(ask(port, "DELETE", "/v1/models").status, 405);
  EXPECT_EQ(ask(port, "POST", kClassify, kRow, {"Content-Type: multipart/form-data; boundary=x"}).status, 415);
  // OpenAI's shape.
  const auto error = ask(port, "POST", kClassify, "{}").json()["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "inputs");
}

TEST(Server, SurvivesBrokenHttp) {
  ServeOptions options = test_options();
  options.max_body = 2000;
  const auto server = anonymous_server(options);
  const auto status = [&](const std::string& bytes) {
    Client client(server->port());
    client.send(bytes);
    return client.hear().status;
  };
  EXPECT_EQ(status("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/9.9\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\n\r\n"), 411);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Length: many\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Length: -5\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n"), 413);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
  EXPECT_EQ(status("GET /" + std::string(10000, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /" + std::string(60000, 'a') + " HTTP/1.1\r\n\r\n"), 431);
  std::string headers;
  for (int i = 0; i < 4000; ++i) headers += "X-Filler: 0123456789\r\n";
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + headers + "\r\n"), 431);
  EXPECT_EQ(status("GET /health HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n"), 200);
  std::string chunks;
  for (int i = 0; i < 100; ++i) chunks += "64\r\n" + std::string(100, ' ') + "\r\n";
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n"), 413);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n19\r\n" + kRow + "\r\n0\r\n\r\n"), 200);
  EXPECT_EQ(status("POST /v1/classify HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"), 400);
  {
    Client client(server->port());  // a body that ends early
    client.send("POST /v1/classify HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
  }
  Client polite(server->port());
  polite.send("POST /v1/classify HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 25\r\n\r\n");
  EXPECT_EQ(polite.hear().status, 100);
  polite.send(kRow);
  EXPECT_EQ(polite.hear().status, 200);
  // Two requests in one packet.
  polite.send(request_text("POST", kClassify, kRow) + request_text("GET", "/health"));
  EXPECT_EQ(polite.hear().status, 200);
  EXPECT_EQ(polite.hear().json()["status"], "ok");
}

TEST(Server, KnowsItsKeys) {
  ::setenv("SERVE_TEST_FULL", "token-for-all", 1);
  ::setenv("SERVE_TEST_LABELS", "token-for-labels", 1);
  ::setenv("SERVE_TEST_TOP", "token-for-top", 1);
  ::setenv("SERVE_TEST_ROUND", "token-for-round", 1);
  std::vector<ApiKey> keys;
  for (const char* env : {"SERVE_TEST_FULL", "SERVE_TEST_LABELS:labels", "SERVE_TEST_TOP:top-2", "SERVE_TEST_ROUND:rounded-1"})
    keys.push_back(key_from_environment(env, 0));
  Server server(tiny_served(), keys, {}, test_options());
  Client client(server.port());
  const auto asked = [&](const std::string& token, const std::string& path = kClassify) {
    return client.ask("POST", path, kRow, {"Authorization: Bearer " + token});
  };

  EXPECT_EQ(ask(server.port(), "POST", kClassify, kRow).status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/metrics").status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/nowhere").status, 401);
  EXPECT_EQ(ask(server.port(), "GET", "/health").status, 200);
  const Heard wrong = ask(server.port(), "POST", kClassify, kRow, {"Authorization: Bearer token-for-nobody"});
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.json()["error"]["code"], "invalid_api_key");
  EXPECT_EQ(wrong.headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(wrong.body.find("token"), std::string::npos);
  EXPECT_EQ(ask(server.port(), "POST", kClassify, kRow, {"api-key: token-for-all"}).status, 200);

  const Tensor truth = expected(at::tensor({1.0f, -1.0f, 0.5f, 0.0f}).view({1, 4}))[0];
  EXPECT_EQ(asked("token-for-labels").json()["labels"], std::vector<int64_t>{truth.argmax().item<int64_t>()});
  EXPECT_FALSE(asked("token-for-labels").json().contains("probs"));
  const auto top = probs(asked("token-for-top"))[0];
  EXPECT_EQ(std::count(top.begin(), top.end(), 0.0), 1);
  EXPECT_EQ(std::min_element(top.begin(), top.end()) - top.begin(), truth.argmin().item<int64_t>());
  const auto rounded = probs(asked("token-for-round"))[0];
  for (const double p : rounded) EXPECT_EQ(p, std::round(p * 10) / 10);
  EXPECT_EQ(asked("token-for-round", "/v1/embeddings").status, 403);
  EXPECT_EQ(asked("token-for-all", "/v1/embeddings").status, 200);
}

TEST(Server, NoiseIsOfTheQuestion) {
  const auto server = anonymous_server(test_options(), "noised-0.5");
  const Heard once = ask(server->port(), "POST", kClassify, kRow);
  const auto first = probs(once)[0];
  for (const char* again : {"{\"inputs\":[[1,-1,0.5,-0]]}", "{\"inputs\":[[9,9,9,9],[1.0,-1e0,5e-1,0]]}",
                            "{\"inputs_base64\":\"AACAPwAAgL8AAAA/AAAAAA==\",\"shape\":[1,4]}"}) {
    const auto rows = probs(ask(server->port(), "POST", kClassify, again));
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(rows.back()[c], first[c], 1e-6) << again;
  }
  const Tensor truth = expected(at::tensor({1.0f, -1.0f, 0.5f, 0.0f}).view({1, 4}))[0];
  double apart = 0;
  for (int64_t c = 0; c < 3; ++c) apart += std::abs(first[static_cast<size_t>(c)] - truth[c].item<double>());
  EXPECT_GT(apart, 1e-3);
  // A restart does not draw anew.
  const auto other = anonymous_server(test_options(), "noised-0.5");
  EXPECT_EQ(ask(other->port(), "POST", kClassify, kRow).body, once.body);
}

TEST(Server, KeepsThePace) {
  ApiKey key = anonymous_key();
  key.requests_per_minute = 3;
  Server server(tiny_served(), {}, key, test_options());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(server.port(), "POST", kClassify, kRow).status, 200);
  const Heard heard = ask(server.port(), "POST", kClassify, kRow);
  EXPECT_EQ(heard.status, 429);
  EXPECT_GE(std::stoi(heard.headers.at("retry-after")), 15);
  EXPECT_EQ(ask(server.port(), "GET", "/v1/models").status, 200);
}

TEST(Server, EndsSlowClients) {
  ServeOptions options = test_options();
  options.head_seconds = options.body_seconds = 0.3;
  options.idle_seconds = 0.6;
  const auto server = anonymous_server(options);
  const auto drip = [&](const std::string& start) {
    Client client(server->port());
    client.send(start);
    for (int i = 0; i < 20; ++i) {  // each byte comes in time, the whole does not
      client.send("1");
      std::this_thread::sleep_for(std::chrono::milliseconds(40));
    }
    return client.hear().status;
  };
  EXPECT_EQ(drip("POST /v1/classify HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"), 408);
  EXPECT_EQ(drip("GET /health HTTP/1.1\r\nX-Slow: "), 408);
  EXPECT_EQ(drip("GET /hea"), 408);
  Client silent(server->port());
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(ask(server->port(), "POST", kClassify, kRow).status, 200);
}

TEST(Server, RefusesWhatItHasNoRoomFor) {
  auto gate = std::make_unique<Gate>();
  Gate& door = *gate;
  ServeOptions options = test_options();
  options.batch = 1;
  options.queue = 2;
  options.max_inputs = 2;
  options.max_clients = 4;
  Server server(std::move(gate), {}, anonymous_key(), options);
  Client first(server.port()), second(server.port()), third(server.port()), fourth(server.port());
  first.send(request_text("POST", kClassify, kRow));
  while (door.entered == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  second.send(request_text("POST", kClassify, "{\"inputs\":[[1,2,3,4],[1,2,3,4]]}"));
  while (ask(server.port(), "GET", "/health").status == 200)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until all four are accepted
  while (fourth.ask("GET", "/metrics").body.find("retort_queue_rows 2") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Heard full = third.ask("POST", kClassify, kRow);
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.headers.at("retry-after"), "1");
  const Heard fifth = ask(server.port(), "POST", kClassify, kRow);
  EXPECT_EQ(fifth.status, 503);
  EXPECT_EQ(fifth.headers.at("retry-after"), "1");
  door.open = true;
  EXPECT_EQ(first.hear().status, 200);
  EXPECT_EQ(second.hear().json()["probs"].size(), 2u);
}

TEST(Server, BoundsItsMemory) {
  ServeOptions options = test_options();
  options.max_body = options.max_memory = 1 << 20;
  const auto server = anonymous_server(options);
  Client holder(server->port());
  holder.send("POST /v1/classify HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + std::string(900000, ' '));
  while (ask(server->port(), "GET", "/metrics").body.find("retort_body_bytes 900000") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Heard heard = ask(server->port(), "POST", kClassify, std::string(400000, ' ') + kRow);
  EXPECT_EQ(heard.status, 503);
  EXPECT_EQ(heard.headers.at("retry-after"), "1");
  holder.send(std::string(100000 - kRow.size(), ' ') + kRow);
  EXPECT_EQ(holder.hear().status, 200);
  EXPECT_EQ(ask(server->port(), "POST", kClassify, std::string(400000, ' ') + kRow).status, 200);
}

TEST(Server, FinishesWhatWasAskedWhenItDrains) {
  auto gate = std::make_unique<Gate>();
  Gate& door = *gate;
  Server server(std::move(gate), {}, anonymous_key(), test_options());
  Client idle(server.port()), asking(server.port());
  EXPECT_EQ(idle.ask("GET", "/health").status, 200);
  asking.send(request_text("POST", kClassify, kRow));
  while (door.entered == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::atomic<bool> drained{false};
  std::thread drain([&] {
    server.drain();
    drained = true;
  });
  EXPECT_TRUE(idle.ended());
  for (int i = 0; i < 1000 && Client(server.port()).connected(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(Client(server.port()).connected());
  EXPECT_FALSE(drained);
  door.open = true;
  const Heard heard = asking.hear();
  EXPECT_EQ(heard.status, 200);
  EXPECT_EQ(heard.headers.at("connection"), "close");
  drain.join();
  EXPECT_TRUE(asking.ended());
}

int64_t resident_mib() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096 / (1 << 20);
}

TEST(Server, ServesAThousandClientsAtOnce) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 4096) GTEST_SKIP() << "too few open files are allowed";
  files.rlim_cur = std::max<rlim_t>(files.rlim_cur, 4096);
  ::setrlimit(RLIMIT_NOFILE, &files);
  ServeOptions options = test_options();
  options.batch_wait_ms = 2;
  const auto server = anonymous_server(options);
  const int64_t before = resident_mib();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(std::make_unique<Client>(server->port()));
  const Tensor inputs = at::randn({1000, 4});
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const auto row = inputs[i];
      clients[static_cast<size_t>(i)]->send(request_text("POST", kClassify,
                                                         fmt::format("{{\"inputs\":[[{:.9g},{:.9g},{:.9g},{:.9g}]]}}", row[0].item<float>(),
                                                                     row[1].item<float>(), row[2].item<float>(), row[3].item<float>())));
    }
    const Tensor truth = expected(inputs);
    for (int i = 0; i < 1000; ++i) {
      const Heard heard = clients[static_cast<size_t>(i)]->hear();
      ASSERT_EQ(heard.status, 200) << i << ": " << heard.body;
      const auto found = probs(heard)[0];
      for (int64_t c = 0; c < 3; ++c) ASSERT_NEAR(found[static_cast<size_t>(c)], truth[i][c].item<double>(), 1e-5) << i;
    }
  }
  EXPECT_EQ(server->metrics().open_connections(), 1000);
  EXPECT_LT(resident_mib() - before, 150);
  const std::string metrics = clients[0]->ask("GET", "/metrics").body;
  for (const char* line : {"retort_requests_total{code=\"200\"} 2000\n", "retort_images_total 2000\n", "retort_batch_rows_sum 2000\n",
                           "retort_key_requests_total{key=\"anonymous\"} 2000\n", "retort_connections 1000\n",
                           "retort_requests_in_flight 1\n", "retort_body_bytes 0\n"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
}

TEST(Server, RefusesToStartUnsafely) {
  ServeOptions options = test_options();
  options.host = "0.0.0.0";
  EXPECT_NE(caught<ConfigError>([&] { Server(tiny_served(), {}, anonymous_key(), options); }).line.find("no key is asked"),
            std::string::npos);
  options.open = true;
  EXPECT_NO_THROW(Server(tiny_served(), {}, anonymous_key(), options));
  options = test_options();
  const auto server = anonymous_server();
  options.port = server->port();
  EXPECT_THROW(Server(tiny_served(), {}, anonymous_key(), options), ConfigError);
  options.host = "no.such.host.invalid";
  options.open = true;
  EXPECT_THROW(Server(tiny_served(), {}, anonymous_key(), options), ConfigError);
}

}  // namespace
}  // namespace retort

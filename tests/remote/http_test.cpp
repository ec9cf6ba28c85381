#include "retort/remote/http.h"

#include <chrono>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/remote/fault_server.h"

namespace retort {
namespace {

using testing::Asked;
using testing::FaultServer;
using testing::Wire;

HttpRequest post(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.body = "{}";
  request.connect_seconds = 5;
  request.stall_seconds = 0.3;
  request.total_seconds = 20;
  return request;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Http, SendsWhatItIsGivenAndKeepsTheConnection) {
  std::string seen;
  FaultServer server([&](const Asked& asked, Wire& wire) {
    seen = asked.head + asked.body;
    wire.reply(201, asked.path + asked.body, "", "text/plain");
  });
  HttpClient client;
  HttpRequest request = post(server.url("/a?b=1"));
  request.headers = {{"Authorization", "Bearer xyz"}};
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = client.ask(request);
    EXPECT_EQ(reply.status, 201);
    EXPECT_EQ(reply.body, "/a?b=1{}");
    EXPECT_EQ(reply.content_type, "text/plain");
    EXPECT_TRUE(reply.sent);
    EXPECT_EQ(reply.retry_after, -1);
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_NE(seen.find("Authorization: Bearer xyz\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(seen.find("Expect:"), std::string::npos);
  // Nothing of a request is left for the next one on the same handle.
  client.ask(post(server.url()));
  EXPECT_EQ(seen.find("xyz"), std::string::npos);
  request.method = "GET";
  EXPECT_EQ(client.ask(request).body, "/a?b=1");
}

TEST(Http, RefusedConnection) {
  const HttpReply reply = HttpClient().ask(post("http://127.0.0.1:" + std::to_string(testing::closed_port())));
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.failure, "connection refused");
  EXPECT_FALSE(reply.sent);
  EXPECT_TRUE(reply.passing);
}

TEST(Http, UnknownName) {
  const HttpReply reply = HttpClient().ask(post("http://no-such-host.invalid/v1"));
  EXPECT_EQ(reply.failure, "the name no-such-host.invalid is not known");
  EXPECT_TRUE(reply.passing);
}

TEST(Http, NoTls) {
  FaultServer server([](const Asked&, Wire& wire) { wire.reply(200, "{}"); });
  const HttpReply reply = HttpClient().ask(post(server.url("", "https")));
  EXPECT_EQ(reply.failure.substr(0, 5), "TLS: ") << reply.failure;
  EXPECT_FALSE(reply.passing);
  EXPECT_FALSE(reply.sent);
}

TEST(Http, SomethingElseThanHttp) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.send("220 mail.example ESMTP\r\n");
    wire.close();
  });
  const HttpReply reply = HttpClient().ask(post(server.url()));
  EXPECT_EQ(reply.failure, "the server does not speak HTTP");
  EXPECT_FALSE(reply.passing);
  EXPECT_EQ(HttpClient().ask(post("ftp://127.0.0.1/")).failure, "not a URL that can be asked");
}

TEST(Http, SlowFirstByte) {
  FaultServer server([](const Asked&, Wire& wire) { wire.wait(30); });
  const auto start = std::chrono::steady_clock::now();
  const HttpReply reply = HttpClient().ask(post(server.url()));
  EXPECT_EQ(reply.failure, "no answer began within 0.3 s");
  EXPECT_TRUE(reply.sent);
  EXPECT_TRUE(reply.passing);
  EXPECT_LT(seconds_since(start), 3);
}

TEST(Http, StallInTheBody) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":");
    wire.wait(30);
  });
  const HttpReply reply = HttpClient().ask(post(server.url()));
  EXPECT_EQ(reply.failure, "stalled for 0.3 s after 5 bytes of the reply");
  EXPECT_EQ(reply.body, "");
}

// Longer in all than a stall may be, though never so long without a byte.
TEST(Http, SlowButAlive) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; ++i) {
      wire.wait(0.05);
      wire.send("x");
    }
  });
  EXPECT_EQ(HttpClient().ask(post(server.url())).body, "xxxxxxxxxx");
  HttpRequest request = post(server.url());
  request.total_seconds = 0.4;
  EXPECT_EQ(HttpClient().ask(request).failure, "no whole reply within 0.4 s");
}

TEST(Http, HalfClosed) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    if (asked.path == "/torn") wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":");
    wire.half_close();
    wire.wait(0.05);
    wire.close();
  });
  const HttpReply torn = HttpClient().ask(post(server.url("/torn")));
  EXPECT_EQ(torn.failure, "the connection broke after 5 bytes of the reply");
  EXPECT_TRUE(torn.passing);
  EXPECT_EQ(HttpClient().ask(post(server.url("/nothing"))).failure, "the server closed the connection without a reply");
}

TEST(Http, HugeReply) {
  FaultServer server([](const Asked&, Wire& wire) { wire.reply(200, std::string(3 << 20, 'x')); });
  HttpRequest request = post(server.url());
  request.max_bytes = 2 << 20;
  const HttpReply reply = HttpClient().ask(request);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.failure, "reply over 2 MiB");
  EXPECT_FALSE(reply.passing);
  request.max_bytes = 4 << 20;
  EXPECT_EQ(HttpClient().ask(request).body.size(), size_t{3} << 20);
}

TEST(Http, RetryAfter) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    wire.reply(429, "{}",
               asked.path == "/date" ? "Date: Fri, 01 Jan 2021 10:00:00 GMT\r\nRetry-After: Fri, 01 Jan 2021 10:01:30 GMT\r\n"
                                     : "Retry-After: 7\r\n");
  });
  HttpClient client;
  EXPECT_EQ(client.ask(post(server.url())).retry_after, 7);
  EXPECT_EQ(client.ask(post(server.url("/date"))).retry_after, 90);
}

TEST(Http, ManyAtOnce) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    wire.wait(0.1);
    wire.reply(200, asked.path);
  });
  HttpClient client;
  const auto start = std::chrono::steady_clock::now();
  int right = 0;
  for (int i = 0; i < 100; ++i) {
    HttpRequest request = post(server.url("/" + std::to_string(i)));
    request.stall_seconds = 20;
    client.start(std::move(request), [&right, i](const HttpReply& reply) { right += reply.body == "/" + std::to_string(i); });
  }
  EXPECT_EQ(client.in_flight(), 100u);
  while (client.in_flight() > 0) client.pump(1);
  EXPECT_EQ(right, 100);
  EXPECT_LT(seconds_since(start), 5);  // 10 s one after the other
}

TEST(Http, ProxyOfTheEnvironment) {
  FaultServer proxy([](const Asked& asked, Wire& wire) { wire.reply(200, asked.path); });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  const HttpReply reply = HttpClient().ask(post("http://somewhere.invalid/v1"));
  ::unsetenv("http_proxy");
  EXPECT_EQ(reply.body, "http://somewhere.invalid/v1");
}

}  // namespace
}  // namespace retort

// The client of the other tests; it asserts nothing itself.
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace retort {

std::string Heard::message() const {
  const nlohmann::json value = json();
  return value.is_object() && value.contains("error") ? value["error"].value("message", std::string()) : "no error object: " + body;
}

Client::Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
  ::close(socket_);
  socket_ = -1;
}

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

void Client::send(const std::string& bytes) const {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

bool Client::more() {
  char bytes[65536];
  const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count > 0) in_.append(bytes, static_cast<size_t>(count));
  return count > 0;
}

Heard Client::hear(bool head_only) {
  Heard heard;
  size_t head = 0;
  while ((head = in_.find("\r\n\r\n")) == std::string::npos)
    if (!more()) return heard;
  heard.status = std::stoi(in_.substr(in_.find(' ') + 1));
  for (size_t at = in_.find("\r\n") + 2; at < head + 2;) {
    const size_t end = in_.find("\r\n", at), colon = in_.find(": ", at);
    std::string name = in_.substr(at, colon - at);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    heard.headers[name] = in_.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  in_.erase(0, head + 4);
  if (head_only || heard.status == 100) return heard;
  const size_t length = std::stoull(heard.headers.count("content-length") ? heard.headers["content-length"] : "0");
  while (in_.size() < length)
    if (!more()) return {};
  heard.body = in_.substr(0, length);
  in_.erase(0, length);
  return heard;
}

bool Client::ended() { return in_.empty() && !more(); }

std::string request_text(const std::string& method, const std::string& path, const std::string& body, const HeaderList& headers) {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: test\r\n";
  for (const std::string& header : headers) text += header + "\r\n";
  if (method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

Heard Client::ask(const std::string& method, const std::string& path, const std::string& body, const HeaderList& headers) {
  send(request_text(method, path, body, headers));
  return hear(method == "HEAD");
}

Heard ask(int port, const std::string& method, const std::string& path, const std::string& body, const HeaderList& headers) {
  return Client(port).ask(method, path, body, headers);
}

InputSpec tiny_input() {
  InputSpec input;
  input.shape = {4};
  input.classes = {"ash", "birch", "cedar"};
  return input;
}

Net tiny_net() {
  Net net = make_net("mlp-8", {4}, 3, Seed(1));
  net.train(false);
  return net;
}

std::unique_ptr<Served> tiny_served() { return served_net(tiny_net(), tiny_input(), "trees"); }

ApiKey anonymous_key(const std::string& exposure) {
  ApiKey key;
  key.name = "anonymous";
  key.exposure = Exposure::parse(exposure);
  key.embeddings = key.exposure.kind == Exposure::Kind::full;
  return key;
}

ServeOptions test_options() {
  ServeOptions options;
  options.port = 0;
  options.batch_wait_ms = 0;
  return options;
}

}  // namespace retort

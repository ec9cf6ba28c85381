#include "tests/remote/fault_server.h"

#include <chrono>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace retort::testing {
namespace {

int bound_socket(int& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (socket < 0 || ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0)
    throw std::runtime_error("no socket for the fault server");
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return socket;
}

}  // namespace

int closed_port() {
  int port = 0;
  ::close(bound_socket(port));
  return port;
}

void Wire::send(std::string_view bytes) {
  while (!bytes.empty() && open_) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      open_ = false;
    } else {
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
}

void Wire::reply(int status, const std::string& body, const std::string& more_headers, const std::string& type) {
  send("HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
       "\r\n" + more_headers + "\r\n" + body);
}

void Wire::half_close() { ::shutdown(socket_, SHUT_WR); }

void Wire::close() {
  ::shutdown(socket_, SHUT_RDWR);
  open_ = false;
}

void Wire::wait(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!server_.ending() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

FaultServer::FaultServer(Handler handler) : handler_(std::move(handler)), listener_(bound_socket(port_)) {
  ::listen(listener_, 512);
  accepting_ = std::thread([this] { accept_all(); });
}

FaultServer::~FaultServer() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  for (const int socket : sockets_) ::close(socket);
  ::close(listener_);
}

void FaultServer::accept_all() {
  while (!ending_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    ++connections_;
    const std::lock_guard<std::mutex> lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void FaultServer::serve(int socket) {
  std::string buffer;
  Wire wire(*this, socket);
  const auto more = [&] {
    char bytes[65536];
    const ssize_t count = ::recv(socket, bytes, sizeof bytes, 0);
    if (count > 0) buffer.append(bytes, static_cast<size_t>(count));
    return count > 0;
  };
  while (!ending_ && wire.open()) {
    size_t end = std::string::npos;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return;
      if (buffer[0] != 0x16) continue;
      wire.reply(400, "this is no TLS");  // as web servers answer a TLS greeting on their plain port
      wire.close();
      return;
    }
    Asked asked;
    asked.head = buffer.substr(0, end + 2);
    asked.method = asked.head.substr(0, asked.head.find(' '));
    asked.path = asked.head.substr(asked.method.size() + 1, asked.head.find(' ', asked.method.size() + 1) - asked.method.size() - 1);
    const size_t length = asked.head.find("Content-Length: ");
    const size_t size = length == std::string::npos ? 0 : std::stoul(asked.head.substr(length + 16));
    while (buffer.size() < end + 4 + size) {
      if (!more()) return;
    }
    asked.body = buffer.substr(end + 4, size);
    buffer.erase(0, end + 4 + size);
    asked.number = requests_++;
    handler_(asked, wire);
  }
  ::shutdown(socket, SHUT_RDWR);
}

}  // namespace retort::testing

// How much of a net's speed is left behind HTTP: the bare forward pass at one batch size, then the same net served to clients of this machine, turn by turn.
//   bench_serving [NET resnet20] [BATCH 64] [SECONDS 5] [ROUNDS 5]
// Clients keep two batches of requests in flight, each a quarter of a batch of 3x32x32 inputs, as JSON numbers and as base64. Prints medians of
// images a second and their ratio to the bare pass. Client and server share the cores.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "retort/base/threads.h"
#include "retort/serve/server.h"

namespace retort {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

const std::vector<int64_t> kShape = {3, 32, 32};

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i + 2 < bytes.size(); i += 3) {  // whole triples: 12,288 bytes an image
    const uint32_t word = static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << 16 |
                          static_cast<uint32_t>(static_cast<unsigned char>(bytes[i + 1])) << 8 | static_cast<unsigned char>(bytes[i + 2]);
    for (int shift = 18; shift >= 0; shift -= 6) out += kLetters[word >> shift & 63];
  }
  return out;
}

std::string request_of(const Tensor& images, bool compact) {
  std::string body;
  if (compact) {
    body = fmt::format("{{\"shape\":[{},3,32,32],\"dtype\":\"float32\",\"inputs_base64\":\"{}\"}}", images.size(0),
                       base64({static_cast<const char*>(images.data_ptr()), images.nbytes()}));
  } else {
    const float* value = images.data_ptr<float>();
    body = "{\"inputs\":[";
    for (int64_t i = 0; i < images.size(0); ++i) {
      body += i ? ",[" : "[";
      for (int64_t k = 0; k < images.numel() / images.size(0); ++k) body += fmt::format("{}{}", k ? "," : "", *value++);
      body += "]";
    }
    body += "]}";
  }
  return fmt::format("POST /v1/classify HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

double bare(const Net& net, int64_t batch, double seconds) {
  const at::NoGradGuard no_grad;
  const Tensor inputs = at::randn({batch, kShape[0], kShape[1], kShape[2]});
  int64_t images = 0;
  const auto start = Clock::now();
  for (; seconds_since(start) < seconds; images += batch) net.forward(inputs).softmax(1);
  return static_cast<double>(images) / seconds_since(start);
}

// Asks the same again and again until told to stop.
void client(int port, const std::string& request, int64_t rows, std::atomic<bool>& stop, std::atomic<int64_t>& images) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  std::string heard(1 << 20, '\0');
  while (!stop) {
    for (size_t sent = 0; sent < request.size();)
      sent += static_cast<size_t>(std::max<ssize_t>(::send(socket, request.data() + sent, request.size() - sent, MSG_NOSIGNAL), 0));
    size_t size = 0;
    while (size < 4 || std::string_view(heard.data() + size - 2, 2) != "]}") {  // the end of an answer
      const ssize_t count = ::recv(socket, heard.data() + size, heard.size() - size, 0);
      if (count <= 0) std::abort();
      size += static_cast<size_t>(count);
    }
    if (heard.compare(9, 3, "200") != 0) std::abort();
    images += rows;
  }
  ::close(socket);
}

double served(int port, const std::string& request, int64_t rows, int64_t clients, double seconds) {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> images{0};
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < clients; ++i) threads.emplace_back([&] { client(port, request, rows, stop, images); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const int64_t before = images;
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const double rate = static_cast<double>(images - before) / seconds_since(start);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return rate;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size()) / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace
}  // namespace retort

int main(int count, char** words) {
  using namespace retort;
  const std::string name = count > 1 ? words[1] : "resnet20";
  const int64_t batch = count > 2 ? std::atoll(words[2]) : 64, rounds = count > 4 ? std::atoll(words[4]) : 5;
  const double seconds = count > 3 ? std::atof(words[3]) : 5;
  const int64_t rows = std::max<int64_t>(1, batch / 4), clients = 2 * batch / rows;
  use_threads(0, /*small_work=*/false);
  Net net = make_net(name, kShape, 10, Seed(1));
  net.train(false);
  InputSpec input;
  input.shape = kShape;
  for (int c = 0; c < 10; ++c) input.classes.push_back(std::to_string(c));
  ServeOptions options;
  options.port = 0;
  options.batch = batch;
  ApiKey anonymous;
  anonymous.name = "anonymous";
  Server server(served_net(net, input, name), {}, anonymous, options);
  const Net frozen = net.frozen();
  const Tensor images = at::randn({rows, kShape[0], kShape[1], kShape[2]});
  const std::string json = request_of(images, false), compact = request_of(images, true);
  bare(frozen, batch, 0.5);
  std::vector<double> alone, numbers, bytes;
  for (int64_t round = 0; round < rounds; ++round) {
    alone.push_back(bare(frozen, batch, seconds));
    numbers.push_back(served(server.port(), json, rows, clients, seconds));
    bytes.push_back(served(server.port(), compact, rows, clients, seconds));
  }
  fmt::print("{}, batches of {}, {} clients with {} images a request, {} thread(s)\n", name, batch, clients, rows, threads_in_use());
  fmt::print("bare forward     {:8.0f} images/s\n", median(alone));
  fmt::print("served, JSON     {:8.0f} images/s   {:.2f}x\n", median(numbers), median(numbers) / median(alone));
  fmt::print("served, base64   {:8.0f} images/s   {:.2f}x\n", median(bytes), median(bytes) / median(alone));
  return 0;
}

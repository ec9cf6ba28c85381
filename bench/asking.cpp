// Requests a second of the asker against a stub on this machine that answers at once, or after 20 ms, beside wrk and beside what the latency allows.
//   build/release/bench/bench_asking [seconds a row]
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retort/remote/chat.h"

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr const char* kBody = R"({"probs":[[0.1,0.2,0.3,0.4]]})";

// The stub: one thread, one epoll, answers in the order in which questions came, each `latency` after it.
[[noreturn]] void serve(int listener, double latency) {
  const std::string answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                                         std::string(kBody).size(), kBody);
  const int poller = ::epoll_create1(0);
  const auto watch = [&](int socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
  };
  watch(listener);
  std::map<int, std::string> heard;
  std::deque<std::pair<Clock::time_point, int>> due;
  while (true) {
    int wait = -1;
    if (!due.empty())
      wait = std::max(0, static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(due.front().first - Clock::now()).count()));
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), wait);
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<size_t>(i)].data.fd;
      if (socket == listener) {
        const int come = ::accept(listener, nullptr, nullptr);
        const int on = 1;
        ::setsockopt(come, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(come);
        continue;
      }
      std::array<char, 65536> bytes;
      const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        ::close(socket);
        heard.erase(socket);
        continue;
      }
      std::string& text = heard[socket];
      text.append(bytes.data(), static_cast<size_t>(got));
      for (size_t end; (end = text.find("\r\n\r\n")) != std::string::npos;) {
        const size_t length = text.find("Content-Length: ");
        const size_t size = length < end ? std::strtoul(text.c_str() + length + 16, nullptr, 10) : 0;
        if (text.size() < end + 4 + size) break;
        text.erase(0, end + 4 + size);
        due.emplace_back(Clock::now() + std::chrono::microseconds(static_cast<int64_t>(latency * 1e6)), socket);
      }
    }
    for (const auto now = Clock::now(); !due.empty() && due.front().first <= now; due.pop_front())
      ::send(due.front().second, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
}

struct Stub {
  explicit Stub(double latency) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1024) != 0)
      throw std::runtime_error("no socket for the stub");
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    url = fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port));
    process = ::fork();
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(listener, latency);
    }
    ::close(listener);
  }
  ~Stub() {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
  std::string url;
  pid_t process = 0;
};

// Questions that all differ, for so many seconds.
double asked_a_second(const std::string& url, int64_t width, const std::string& cache_mode, const std::string& cache, double seconds) {
  retort::EndpointKnobs knobs;
  knobs.url = url;
  knobs.concurrency = width;
  knobs.cache_mode = cache_mode;
  knobs.cache = cache;
  retort::Asker asker(knobs);
  int64_t answers = 0, next = 0;
  const auto start = Clock::now();
  asker.ask(
      [&]() -> std::optional<retort::Question> {
        if (seconds_since(start) > seconds) return {};
        return retort::classifier_question({{static_cast<float>(next++), 0.5f}});
      },
      retort::check_classifier, [&](const retort::Question&, const nlohmann::json&, bool) { ++answers; });
  return static_cast<double>(answers) / seconds_since(start);
}

// wrk with the same body and as many connections; 0 where it is not installed.
double wrk_a_second(const std::string& url, int64_t width, double seconds, const std::string& folder) {
  const std::string script = folder + "/post.lua";
  if (FILE* file = std::fopen(script.c_str(), "w")) {
    std::fputs("wrk.method = 'POST'\nwrk.body = '{\"inputs\":[[1.0,0.5]]}'\nwrk.headers['Content-Type'] = 'application/json'\n", file);
    std::fclose(file);
  }
  const std::string command = fmt::format("wrk -t1 -c{} -d{:.0f}s -s {} {} 2>/dev/null", width, std::max(1.0, seconds), script, url);
  FILE* pipe = ::popen(command.c_str(), "r");
  double rate = 0;
  std::array<char, 512> line;
  while (pipe && std::fgets(line.data(), line.size(), pipe)) std::sscanf(line.data(), "Requests/sec: %lf", &rate);
  if (pipe) ::pclose(pipe);
  return rate;
}

}  // namespace

int main(int count, char** words) {
  const double seconds = count > 1 ? std::strtod(words[1], nullptr) : 5;
  std::string folder = "/tmp/retort-asking-XXXXXX";
  if (!::mkdtemp(folder.data())) return 1;
  fmt::print("{:>8} {:>10} {:>12} {:>12} {:>12} {:>12} {:>9} {:>10}\n", "latency", "in flight", "wrk /s", "no cache /s", "cache /s",
             "bound /s", "of wrk", "of bound");
  for (const double latency : {0.0, 0.020}) {
    for (const int64_t width : {1, 16, 64, 256}) {
      const Stub stub(latency);
      const double wrk = wrk_a_second(stub.url, width, seconds, folder);
      const double bare = asked_a_second(stub.url, width, "off", "", seconds);
      const double kept = asked_a_second(stub.url, width, "read-write", fmt::format("{}/{}-{}.db", folder, latency, width), seconds);
      const double bound = latency > 0 ? static_cast<double>(width) / latency : 0;
      const auto share = [](double part, double whole) { return whole > 0 ? fmt::format("{:.2f}", part / whole) : std::string("-"); };
      fmt::print("{:>5.0f} ms {:>10} {:>12.0f} {:>12.0f} {:>12.0f} {:>12.0f} {:>9} {:>10}\n", latency * 1000, width, wrk, bare, kept, bound,
                 share(kept, wrk), share(kept, bound));
      std::fflush(stdout);
    }
  }
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  fmt::print("most memory of this process: {} MiB\n", used.ru_maxrss >> 10);
  std::filesystem::remove_all(folder);
}

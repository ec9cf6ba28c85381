#include "retort/teachers/line_program.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retort/base/error.h"

extern char** environ;

namespace retort {
namespace {
using Clock = std::chrono::steady_clock;

constexpr size_t kMostBytes = size_t{256} << 20;  // of one answer
constexpr size_t kKeptWords = 4096;               // of its stderr

// Writing to a program that is gone would end ours; here the write fails instead. Only this thread, only as long as this lives.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigset_t pending;
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec now = {0, 0};
    if (!was_pending_) {
      while (::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) continue;
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_{}, before_{};
  bool was_pending_ = false;
};

// The last lines of what it said on stderr, as a part of one line.
std::string last_words(const std::string& said) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < said.size();) {
    const size_t end = std::min(said.find('\n', at), said.size());
    std::string line = said.substr(at, end - at);
    for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (line.find_first_not_of(' ') != std::string::npos) lines.push_back(line);
    at = end + 1;
  }
  if (lines.size() > 3) lines.erase(lines.begin(), lines.end() - 3);
  std::string text = fmt::format("{}", fmt::join(lines, " | "));
  return text.size() > 400 ? "…" + text.substr(text.size() - 400) : text;
}

void close_end(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

}  // namespace

struct LineProgram::Body {
  std::vector<std::string> command;
  double timeout;
  std::string name;
  pid_t process = -1;
  int in = -1, out = -1, err = -1;  // our ends
  std::string heard, words;         // of its stdout and stderr

  void start() {
    int pipes[3][2];
    for (int i = 0; i < 3; ++i) {
      if (::pipe2(pipes[i], O_CLOEXEC) == 0) continue;
      while (i-- > 0) ::close(pipes[i][0]), ::close(pipes[i][1]);
      throw TeacherError(fmt::format("{}: cannot be started: {}", name, std::strerror(errno)));
    }
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, pipes[0][0], 0);
    ::posix_spawn_file_actions_adddup2(&files, pipes[1][1], 1);
    ::posix_spawn_file_actions_adddup2(&files, pipes[2][1], 2);
    // A process group of its own: Ctrl-C is ours to handle, and what it starts can be ended with it.
    posix_spawnattr_t ways;
    sigset_t none, usual;
    ::sigemptyset(&none);
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGPIPE);
    ::posix_spawnattr_init(&ways);
    ::posix_spawnattr_setflags(&ways, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&ways, 0);
    ::posix_spawnattr_setsigmask(&ways, &none);
    ::posix_spawnattr_setsigdefault(&ways, &usual);
    std::vector<char*> words_of;
    for (std::string& word : command) words_of.push_back(word.data());
    words_of.push_back(nullptr);
    const int error = ::posix_spawnp(&process, words_of[0], &files, &ways, words_of.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&ways);
    ::close(pipes[0][0]), ::close(pipes[1][1]), ::close(pipes[2][1]);
    in = pipes[0][1], out = pipes[1][0], err = pipes[2][0];
    for (const int end : {in, out, err}) ::fcntl(end, F_SETFL, O_NONBLOCK);
    heard.clear();
    words.clear();
    if (error == 0) return;
    process = -1;
    close_all();
    throw TeacherError(fmt::format("{}: cannot be started: {}", name, std::strerror(error)),
                       "give the program as it is called from the folder where you are, or along PATH");
  }

  void close_all() {
    close_end(in);
    close_end(out);
    close_end(err);
  }

  // What has come and can be read without waiting. False at its end.
  static bool take(int from, std::string& into) {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::read(from, buffer, sizeof buffer);
      if (got > 0)
        into.append(buffer, static_cast<size_t>(got));
      else if (got == 0)
        return false;
      else if (errno != EINTR)
        return errno == EAGAIN;
      if (into.size() > kMostBytes) return true;
    }
  }

  void take_words() {
    if (err < 0) return;
    if (!take(err, words)) close_end(err);
    if (words.size() > kKeptWords) words.erase(0, words.size() - kKeptWords);
  }

  // Its exit status, or nothing after so long.
  bool ended_within(double seconds, int& status) const {
    const auto until = Clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
      const pid_t got = ::waitpid(process, &status, WNOHANG);
      if (got == process || (got < 0 && errno != EINTR)) return got == process;
      if (Clock::now() >= until) return false;
      ::poll(nullptr, 0, 2);
    }
  }

  // Ends it, by force after `patience` seconds, and whatever it left behind. The exit status, or -1 where it had to be ended.
  int end(double patience) {
    if (process < 0) return -1;
    close_end(in);
    int status = 0;
    const bool by_itself = ended_within(patience, status);
    ::kill(-process, SIGKILL);
    if (!by_itself) ::waitpid(process, &status, 0);
    take_words();
    close_all();
    process = -1;
    return by_itself ? status : -1;
  }

  [[noreturn]] void fail(const std::string& what, const std::string& hint) {
    end(0);
    tell(what, hint);
  }

  [[noreturn]] void tell(const std::string& what, const std::string& hint) const {
    const std::string said = last_words(words);
    throw TeacherError(fmt::format("{}: {}{}", name, what, said.empty() ? "" : "; its stderr: " + said), hint);
  }

  [[noreturn]] void fail_ended() {
    const int status = end(1);
    const std::string how = status < 0 ? "closed its output"
                            : WIFSIGNALED(status)
                                ? fmt::format("was ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)))
                            : WEXITSTATUS(status) > 0 ? fmt::format("ended with code {}", WEXITSTATUS(status))
                                                      : "ended";
    tell(how + " before it answered", "it must read a line, answer with a line, and wait for the next until its input ends");
  }
};

LineProgram::LineProgram(std::vector<std::string> command, double timeout_seconds) : body_(std::make_unique<Body>()) {
  if (command.empty() || command.front().empty())
    throw ConfigError("the command of a program is empty", "command = [\"./score\", \"--quick\"]");
  body_->name = fmt::format("{}", fmt::join(command, " "));
  if (body_->name.size() > 80) body_->name = body_->name.substr(0, 77) + "…";
  for (char& c : body_->name) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  body_->command = std::move(command);
  body_->timeout = timeout_seconds;
  body_->start();
}

LineProgram::~LineProgram() { body_->end(1); }

const std::string& LineProgram::name() const { return body_->name; }

void LineProgram::fail(const std::string& what, const std::string& hint) { body_->fail(what, hint); }

std::string LineProgram::ask(const std::string& line) {
  Body& b = *body_;
  if (b.process < 0) b.start();
  const WithoutSigpipe guarded;
  const bool open = Body::take(b.out, b.heard);
  if (!b.heard.empty())
    b.fail(fmt::format("said more than it was asked: \"{}\"", b.heard.substr(0, std::min<size_t>(b.heard.find('\n'), 80))),
           "one line a question; other output belongs on stderr");
  if (!open) b.fail_ended();

  const std::string sent = line + "\n";
  size_t done = 0;
  const auto until = Clock::now() + std::chrono::duration<double>(b.timeout);
  for (size_t searched = 0;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left < 0)
      b.fail(fmt::format("gave no answer within {:g} s", b.timeout),
             "raise teacher.timeout where it needs longer; it must flush its output after every line");
    pollfd waits[] = {{b.out, POLLIN, 0}, {b.err, POLLIN, 0}, {done < sent.size() ? b.in : -1, POLLOUT, 0}};  // a negative one is left out
    if (::poll(waits, 3, static_cast<int>(std::min<long long>(left + 1, 1000))) < 0 && errno != EINTR) b.fail(std::strerror(errno), "");
    b.take_words();
    if (waits[2].revents != 0) {
      const ssize_t wrote = ::write(b.in, sent.data() + done, sent.size() - done);
      if (wrote > 0)
        done += static_cast<size_t>(wrote);
      else if (errno != EAGAIN && errno != EINTR)
        done = sent.size();  // it reads no more; what it still says decides
    }
    if (waits[0].revents == 0) continue;
    const bool more = Body::take(b.out, b.heard);
    const size_t end = b.heard.find('\n', searched);
    if (end != std::string::npos) {
      std::string answer = b.heard.substr(0, end);
      b.heard.erase(0, end + 1);
      return answer;
    }
    searched = b.heard.size();
    if (b.heard.size() > kMostBytes) b.fail(fmt::format("answers with a line of more than {} MiB", kMostBytes >> 20), "");
    if (!more) b.fail_ended();
  }
}

}  // namespace retort

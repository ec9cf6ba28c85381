#include "retort/base/children.h"

#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/base/threads.h"

namespace retort {
namespace {

struct Child {
  size_t index;
  pid_t process;
  int pipe;
};

// Code, line and hint, apart by zero bytes. What does not fit the pipe's atomic size is cut.
[[noreturn]] void leave(int pipe, int code, const std::string& line, const std::string& hint) {
  std::string message = std::to_string(code) + '\0' + line.substr(0, 2000) + '\0' + hint.substr(0, 1000);
  const bool sent = ::write(pipe, message.data(), message.size()) == static_cast<ssize_t>(message.size());
  ::_exit(sent ? 0 : 1);  // nothing of the parent's is unwound here
}

[[noreturn]] void work_in_child(int pipe, size_t index, const std::function<void(size_t)>& work) {
  ::setpgid(0, 0);  // Ctrl-C reaches the parent alone, which passes it on once
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  set_quiet(true);
  use_threads(1, false);
  try {
    work(index);
  } catch (const Error& error) {
    leave(pipe, error.exit_code(), error.what(), error.hint());
  } catch (const std::exception& error) {
    leave(pipe, 1, error.what(), "");
  }
  leave(pipe, 0, "", "");
}

Child start(size_t index, const std::function<void(size_t)>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw StorageError(std::string("no pipe to a child process: ") + std::strerror(errno));
  const pid_t process = ::fork();
  if (process < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    throw StorageError(std::string("no child process: ") + std::strerror(errno), "let fewer work at once");
  }
  if (process == 0) {
    ::close(ends[0]);
    work_in_child(ends[1], index, work);
  }
  ::close(ends[1]);
  return {index, process, ends[0]};
}

ChildEnd end_of(const Child& child) {
  std::string said;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(child.pipe, buffer, sizeof buffer)) != 0;) {
    if (got > 0)
      said.append(buffer, static_cast<size_t>(got));
    else if (errno != EINTR)
      break;
  }
  ::close(child.pipe);
  int status = 0;
  while (::waitpid(child.process, &status, 0) < 0 && errno == EINTR) continue;
  const size_t first = said.find('\0'), second = first == std::string::npos ? first : said.find('\0', first + 1);
  if (second != std::string::npos)
    return {std::stoi(said.substr(0, first)), said.substr(first + 1, second - first - 1), said.substr(second + 1)};
  if (WIFSIGNALED(status))
    return {1, fmt::format("the child process was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status))), ""};
  return {1, fmt::format("the child process ended early with code {}", WEXITSTATUS(status)), ""};
}

}  // namespace

std::vector<ChildEnd> run_in_children(size_t n, size_t slots, const std::function<void(size_t)>& work) {
  std::vector<ChildEnd> ends(n, {130, "stopped before it began", ""});
  std::vector<Child> running;
  bool passed_on = false;
  for (size_t next = 0; next < n || !running.empty();) {
    if (interrupt_requested()) next = n;
    while (next < n && running.size() < std::max<size_t>(slots, 1)) {
      running.push_back(start(next, work));
      ++next;
    }
    if (interrupt_requested() && !passed_on) {
      passed_on = true;
      for (const Child& child : running) ::kill(child.process, SIGTERM);
    }
    std::vector<pollfd> waits;
    for (const Child& child : running) waits.push_back({child.pipe, POLLIN, 0});
    if (waits.empty() || ::poll(waits.data(), waits.size(), 200) <= 0) continue;
    std::vector<Child> still;
    for (size_t i = 0; i < running.size(); ++i) {
      if (waits[i].revents == 0)
        still.push_back(running[i]);
      else
        ends[running[i].index] = end_of(running[i]);
    }
    running = std::move(still);
  }
  return ends;
}

}  // namespace retort

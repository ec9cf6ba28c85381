#include "retort/catalogue/proof_jobs.h"

#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/failure.h"
#include "retort/data/sources.h"

namespace retort {
namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string result_file(const ProofJob& job) { return job.folder + ".json"; }

// Throws what the run throws; keeps the result.
ProofResult run_job(const ProofJob& job) {
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = cpu_seconds();
  ProofResult result;
  result.metrics = run_recipe(job.recipe, "", /*resume=*/true, /*quiet=*/true).outcome.metrics;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.cpu_seconds = cpu_seconds() - cpu_start;
  const nlohmann::json kept = {{"metrics", result.metrics}, {"seconds", result.seconds}, {"cpu_seconds", result.cpu_seconds}};
  write_file(result_file(job), kept.dump(1) + "\n");
  return result;
}

ProofResult run_in_this_process(const ProofJob& job) {
  try {
    return run_job(job);
  } catch (const Interrupted&) {
    throw;
  } catch (const AbsentData& error) {
    ProofResult failed;
    failed.error = error.what();
    failed.absent_data = true;
    return failed;
  } catch (...) {
    ProofResult failed;
    failed.error = current_failure().line;
    return failed;
  }
}

[[noreturn]] void throw_interrupted(size_t done, size_t all) {
  throw Interrupted(fmt::format("stopped with {} of {} runs done", done, all), "the same command goes on from here");
}

// What workers write to the parent: small enough that the pipe never mixes two of them.
struct Message {
  enum Kind : int32_t { started, done, failed, interrupted } kind;
  int32_t job;
  pid_t worker;
  char line[1000];
};
static_assert(sizeof(Message) <= 4096 /* PIPE_BUF */);

void send(int pipe, Message::Kind kind, int32_t job, const std::string& line = {}) {
  Message message{kind, job, getpid(), {}};
  std::strncpy(message.line, line.c_str(), sizeof message.line - 1);
  if (write(pipe, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) _exit(1);
}

[[noreturn]] void work(const std::vector<ProofJob>& jobs, int queue, int reports) {
  setpgid(0, 0);  // Ctrl-C reaches the parent alone, which passes it on once
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  clear_interrupt();
  set_quiet(true);
  int32_t index = 0;
  while (!interrupt_requested() && read(queue, &index, sizeof index) == static_cast<ssize_t>(sizeof index)) {
    send(reports, Message::started, index);
    try {
      run_job(jobs[static_cast<size_t>(index)]);
      send(reports, Message::done, index);
    } catch (const Interrupted&) {
      send(reports, Message::interrupted, index);
      break;
    } catch (...) {
      send(reports, Message::failed, index, current_failure().line);
    }
  }
  _exit(0);  // nothing of the parent's is unwound here
}

class Workers {
 public:
  Workers(const std::vector<ProofJob>& jobs, const std::vector<size_t>& todo, size_t count) {
    int queue[2], reports[2];
    if (pipe(queue) != 0 || pipe(reports) != 0) throw StorageError(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    for (size_t worker = 0; worker < count; ++worker) {
      const pid_t child = fork();
      if (child < 0) break;
      if (child == 0) {
        close(queue[1]);
        close(reports[0]);
        work(jobs, queue[0], reports[1]);
      }
      running_[child] = -1;
    }
    close(queue[0]);
    close(reports[1]);
    reports_ = reports[0];
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    for (const size_t job : todo) {
      const auto index = static_cast<int32_t>(job);
      if (write(queue[1], &index, sizeof index) < 0) break;
    }
    std::signal(SIGPIPE, before);
    close(queue[1]);
  }
  ~Workers() {
    close(reports_);
    for (const auto& [child, job] : running_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // The next message; false when every worker has closed its end. Passes an interrupt on, once.
  bool next(Message& message) {
    for (;;) {
      if (interrupt_requested() && !passed_on_) {
        passed_on_ = true;
        for (const auto& [child, job] : running_) kill(child, SIGINT);
      }
      pollfd wait{reports_, POLLIN, 0};
      if (poll(&wait, 1, 200) <= 0) continue;
      if (read(reports_, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) return false;
      running_[message.worker] = message.kind == Message::started ? message.job : -1;
      return true;
    }
  }

  // After the last message: the jobs that workers took with them when they were killed, and why.
  std::vector<std::pair<size_t, std::string>> bury() {
    std::vector<std::pair<size_t, std::string>> lost;
    for (const auto& [child, job] : running_) {
      int status = 0;
      waitpid(child, &status, 0);
      const std::string why = WIFSIGNALED(status)
                                  ? fmt::format("the worker was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                                  : fmt::format("the worker ended early with code {}", WEXITSTATUS(status));
      if (job >= 0) lost.emplace_back(static_cast<size_t>(job), why);
    }
    running_.clear();
    return lost;
  }

 private:
  std::map<pid_t, int32_t> running_;  // worker -> the job it is at, or -1
  int reports_ = -1;
  bool passed_on_ = false;
};

}  // namespace

bool find_result(const ProofJob& job, ProofResult& result) {
  if (!file_exists(result_file(job))) return false;
  const auto kept = nlohmann::json::parse(read_file(result_file(job)), nullptr, /*allow_exceptions=*/false);
  if (!kept.is_object() || !kept.contains("metrics")) return false;
  for (const auto& [name, value] : kept["metrics"].items()) result.metrics[name] = value.is_number() ? value.get<double>() : std::nan("");
  result.seconds = kept.value("seconds", 0.0);
  result.cpu_seconds = kept.value("cpu_seconds", 0.0);
  return true;
}

std::vector<ProofResult> run_jobs(const std::vector<ProofJob>& jobs, int64_t workers,
                                  const std::function<void(size_t, const ProofResult&)>& tell) {
  std::vector<ProofResult> results(jobs.size());
  std::vector<size_t> todo;
  size_t done = 0;
  const auto ended = [&](size_t job) {
    ++done;
    tell(job, results[job]);
  };
  for (size_t job = 0; job < jobs.size(); ++job) {
    if (find_result(jobs[job], results[job]))
      ended(job);
    else
      todo.push_back(job);
  }
  if (workers == 0) {
    for (const size_t job : todo) {
      if (interrupt_requested()) throw_interrupted(done, jobs.size());
      results[job] = run_in_this_process(jobs[job]);
      ended(job);
    }
    return results;
  }
  if (todo.empty()) return results;
  for (const size_t job : todo) results[job].error = "it was not run, because no worker was left";
  Workers crew(jobs, todo, std::min(static_cast<size_t>(workers), todo.size()));
  for (Message message; crew.next(message);) {
    const auto job = static_cast<size_t>(message.job);
    if (message.kind == Message::done) {
      results[job].error = find_result(jobs[job], results[job]) ? "" : "its result could not be read back";
      ended(job);
    } else if (message.kind == Message::failed) {
      results[job].error = message.line;
      ended(job);
    }
  }
  for (const auto& [job, why] : crew.bury()) {
    if (interrupt_requested()) continue;
    results[job].error = why;
    ended(job);
  }
  if (interrupt_requested()) throw_interrupted(done, jobs.size());
  return results;
}

}  // namespace retort

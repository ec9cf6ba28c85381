#include "retort/base/progress.h"

#include <algorithm>
#include <atomic>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

namespace retort {

static std::atomic<bool> be_quiet{false};

void set_quiet(bool quiet) { be_quiet = quiet; }
bool quiet() { return be_quiet; }

void say(const std::string& line) {
  if (!be_quiet) std::fputs((line + "\n").c_str(), stderr);
}

void warn(const std::string& line) { say("warning: " + line); }

static std::string duration(double seconds) {
  const auto whole = int64_t(seconds);
  if (whole < 60) return fmt::format("{:.1f} s", seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

static double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

Progress::Progress(std::string what, int64_t total, bool quiet)
    : what_(std::move(what)),
      total_(total),
      quiet_(quiet || be_quiet),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()),
      shown_(start_) {}

Progress::~Progress() {
  if (!finished_ && !quiet_ && terminal_ && done_ > 0) std::fputs("\n", stderr);  // keep the last bar above what follows
}

void Progress::advance_to(int64_t done, const std::string& note) {
  if (started_at_ < 0) started_at_ = done > 0 ? done - 1 : 0;  // a resumed run starts in the middle
  done_ = done;
  if (quiet_ || seconds_since(shown_) < (terminal_ ? 0.1 : 10.0)) return;
  shown_ = std::chrono::steady_clock::now();
  const double rate = double(done - started_at_) / std::max(seconds_since(start_), 1e-9);
  const std::string left = rate > 0 ? duration(double(std::max<int64_t>(total_ - done, 0)) / rate) : "?";
  const std::string tail = fmt::format("{}/{}  {:.3g}/s  {} left{}{}", done, total_, rate, left, note.empty() ? "" : "  ", note);
  if (terminal_) {
    constexpr int64_t kWidth = 24;
    const int64_t filled = total_ > 0 ? std::clamp<int64_t>(done * kWidth / total_, 0, kWidth) : 0;
    std::fputs(fmt::format("\r{} [{:=<{}}{:{}}] {}\x1b[K", what_, "", filled, "", kWidth - filled, tail).c_str(), stderr);
  } else {
    std::fputs(fmt::format("{}: {}\n", what_, tail).c_str(), stderr);
  }
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  if (quiet_) return;
  std::fputs(fmt::format("{}{}: {} in {}{}{}{}\n", terminal_ ? "\r" : "", what_, done_, duration(seconds_since(start_)),
                         note.empty() ? "" : "  ", note, terminal_ ? "\x1b[K" : "")
                 .c_str(),
             stderr);
}

}  // namespace retort

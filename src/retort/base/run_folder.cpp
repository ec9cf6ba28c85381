// The folder of a run and the log in it; run.cpp has the run itself.
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/run.h"

namespace retort {

namespace fs = std::filesystem;

static const char kLock[] = ".lock", kMark[] = ".retort.json";

std::string run_identity(const std::string& folder) {
  const std::string mark = folder + "/" + kMark;
  if (!file_exists(mark)) return {};
  const auto facts = nlohmann::json::parse(read_file(mark), nullptr, /*allow_exceptions=*/false);
  if (!facts.is_object() || !facts.contains("recipe") || !facts["recipe"].is_string())
    throw DataError(mark + ": expected a JSON object with the recipe's digest", "this is no run folder any more; choose another run.dir");
  return facts["recipe"].get<std::string>();
}

RunFolder::RunFolder(std::string path, bool resume, const std::string& identity) : path_(std::move(path)) {
  make_folders(path_);
  lock_ = ::open((path_ + "/" + kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0)
    throw StorageError(fmt::format("{}: the run folder cannot be written: {}", path_, std::strerror(errno)),
                       "choose another with --set run.dir=…");
  try {
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
      throw ConfigError(path_ + ": the run folder is in use by another process", "wait for it, or choose another with --set run.dir=…");
    const std::string held = run_identity(path_);
    if (held.empty()) {
      for (auto& entry : fs::directory_iterator(path_)) {
        const std::string name = entry.path().filename().string();
        if (name == kLock || name.rfind(std::string(".") + kMark, 0) == 0) continue;  // what is left of a run that ended before it began
        throw ConfigError(fmt::format("{}: the folder is not empty, and not a run's: it holds {}", path_, name),
                          "choose another with --set run.dir=…");
      }
      write_json(kMark, {{"format", 1}, {"recipe", identity}});
    } else if (!resume) {
      throw ConfigError(path_ + ": the folder holds a run already", "go on with it by --resume, or choose another with --set run.dir=…");
    } else if (held != identity) {
      throw ConfigError(path_ + ": the folder holds a run of another recipe",
                        fmt::format("resume with {}/recipe.toml, or choose another folder with --set run.dir=…", path_));
    } else {
      remove_parts();
    }
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() { ::close(lock_); }

// What write_file was writing when the process was killed.
void RunFolder::remove_parts() const {
  std::vector<fs::path> parts;
  std::error_code ignored;
  for (auto& entry : fs::recursive_directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.front() == '.' && entry.path().extension() == ".part") parts.push_back(entry.path());
  }
  for (const fs::path& part : parts) fs::remove(part, ignored);
}

std::string RunFolder::file(const std::string& name) const {
  const fs::path path = fs::path(path_) / name;
  make_folders(path.parent_path().string());
  return path.string();
}

void RunFolder::write(const std::string& name, std::string_view bytes) const { write_file(file(name), bytes); }

void RunFolder::write_json(const std::string& name, const nlohmann::json& value) const {
  write(name, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

MetricsLog::MetricsLog(std::string path) : path_(std::move(path)), flushed_(std::chrono::steady_clock::now()) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0)
    throw StorageError(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)), "check that the folder may be written");
  length_ = int64_t(::lseek(file_, 0, SEEK_END));
}

MetricsLog::~MetricsLog() {
  try {
    flush();
  } catch (const StorageError&) {
    // The rows since the last flush are lost; whoever needs them calls length(), which throws.
  }
  ::close(file_);
}

void MetricsLog::add(const nlohmann::json& row) {
  pending_ += row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (pending_.size() > (size_t(1) << 16) || std::chrono::steady_clock::now() - flushed_ > std::chrono::seconds(1)) flush();
}

void MetricsLog::flush() {
  flushed_ = std::chrono::steady_clock::now();
  for (size_t done = 0; done < pending_.size();) {
    const ssize_t count = ::write(file_, pending_.data() + done, pending_.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      pending_.clear();
      if (::ftruncate(file_, off_t(length_)) != 0) length_ = int64_t(::lseek(file_, 0, SEEK_END));  // leave no half row where we can
      throw StorageError(fmt::format("{}: cannot be written: {}", path_, std::strerror(error)), "make room, then go on with --resume");
    }
    done += size_t(count);
  }
  length_ += int64_t(pending_.size());
  pending_.clear();
}

int64_t MetricsLog::length() {
  flush();
  ::fdatasync(file_);
  return length_;
}

void MetricsLog::cut(int64_t length) {
  flush();
  if (length > length_)
    throw DataError(fmt::format("{}: {} bytes, but the checkpoint recorded {}", path_, length_, length),
                    "the file was shortened; start a new run");
  if (::ftruncate(file_, off_t(length)) != 0) throw StorageError(fmt::format("{}: cannot be cut: {}", path_, std::strerror(errno)));
  length_ = length;
}

}  // namespace retort

#include "retort/base/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {

namespace fs = std::filesystem;

namespace {

StorageError cannot_write(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return StorageError(fmt::format("{}: cannot be written: {}", path.empty() ? "captured data" : path, std::strerror(error)),
                      full           ? "make room; what was there before is untouched"
                      : path.empty() ? "there is too little memory; give a file to capture to"
                                     : "check that the folder exists and may be written");
}

DataError cannot_read(const std::string& path, const char* why) {
  return DataError(fmt::format("{}: cannot be read: {}", path, why), "check the path");
}

}  // namespace

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      file_(std::exchange(other.file_, -1)),
      path_(std::move(other.path_)),
      part_(std::exchange(other.part_, {})) {}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
  if (file_ >= 0) ::close(file_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

MappedFile MappedFile::open(const std::string& path) {
  MappedFile map;
  map.path_ = path;
  map.file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (map.file_ < 0) throw cannot_read(path, std::strerror(errno));
  struct stat facts {};
  if (::fstat(map.file_, &facts) != 0) throw cannot_read(path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) throw cannot_read(path, "it is not a regular file");
  if (facts.st_size == 0) return map;
  void* const memory = ::mmap(nullptr, size_t(facts.st_size), PROT_READ, MAP_SHARED, map.file_, 0);
  if (memory == MAP_FAILED) throw cannot_read(path, std::strerror(errno));
  map.data_ = static_cast<char*>(memory);
  map.size_ = size_t(facts.st_size);
  return map;
}

MappedFile MappedFile::create(const std::string& path, size_t bytes) {
  MappedFile map;
  map.path_ = path;
  if (!path.empty()) {
    const fs::path target(path);
    map.part_ = (target.parent_path() / fmt::format(".{}.{}.part", target.filename().string(), ::getpid())).string();
    map.file_ = ::open(map.part_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (map.file_ < 0) {
      map.part_.clear();
      throw cannot_write(path, errno);
    }
    // Reserved now: a mapped write to a full disk would end the program.
    if (const int error = ::posix_fallocate(map.file_, 0, off_t(bytes))) throw cannot_write(path, error);
  }
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, path.empty() ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, map.file_,
                              0);
  if (memory == MAP_FAILED) throw cannot_write(path, errno);
  map.data_ = static_cast<char*>(memory);
  map.size_ = bytes;
  return map;
}

void MappedFile::commit() {
  if (part_.empty()) return;
  if (::msync(data_, size_, MS_SYNC) != 0 || ::fsync(file_) != 0 || ::rename(part_.c_str(), path_.c_str()) != 0)
    throw cannot_write(path_, errno);
  part_.clear();
  const fs::path parent = fs::path(path_).parent_path();
  const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  ::fsync(folder);
  ::close(folder);
}

}  // namespace retort

#include "retort/base/file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxInflated = size_t(8) << 30;  // no data set of ours is near; a gzip bomb is stopped here

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

[[noreturn]] void fail_read(const std::string& path, const std::string& why) {
  throw DataError(fmt::format("{}: cannot be read: {}", path, why), why == std::strerror(ENOENT) ? "check the path" : "");
}

[[noreturn]] void fail_write(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  throw StorageError(fmt::format("{}: cannot be written: {}", path, std::strerror(error)),
                     full ? "make room; what was there before is untouched" : "check that the folder exists and may be written");
}

void write_all(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), std::min<size_t>(bytes.size(), size_t(1) << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(path, errno);
    bytes.remove_prefix(size_t(written));
  }
}

// A rename is on disk once its folder is. Some file systems cannot sync a folder; that is no failure.
void sync_folder(const fs::path& folder) {
  Descriptor file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.number >= 0) ::fsync(file.number);
}

}  // namespace

std::string read_file(const std::string& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.number < 0) fail_read(path, std::strerror(errno));
  struct stat facts {};
  if (::fstat(file.number, &facts) == 0 && S_ISDIR(facts.st_mode)) fail_read(path, "it is a folder");
  std::string bytes(S_ISREG(facts.st_mode) ? size_t(facts.st_size) : 0, '\0');
  size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) {  // at the end, or the size was not known (pipes), or the file grew
      char more[65536];
      const ssize_t count = ::read(file.number, more, sizeof more);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_read(path, std::strerror(errno));
      if (count == 0) return bytes;
      bytes.append(more, size_t(count));
      filled = bytes.size();
      continue;
    }
    const ssize_t count = ::read(file.number, bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_read(path, std::strerror(errno));
    if (count == 0) return bytes.substr(0, filled);
    filled += size_t(count);
  }
}

std::string inflate_maybe_gzip(std::string bytes, const std::string& name) {
  if (bytes.size() < 2 || bytes[0] != '\x1f' || bytes[1] != '\x8b') return bytes;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw DataError(name + ": gzip: out of memory");
  std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, inflateEnd);

  std::string out;
  size_t taken = 0;  // input given to zlib so far
  std::vector<unsigned char> block(size_t(1) << 18);
  auto damaged = [&](const std::string& what) {
    return DataError(fmt::format("{}: gzip data {} at byte {} of {}", name, what, taken - stream.avail_in, bytes.size()),
                     "fetch the file again");
  };
  while (true) {
    if (stream.avail_in == 0 && taken < bytes.size()) {
      const size_t count = std::min<size_t>(bytes.size() - taken, size_t(1) << 30);
      stream.next_in = reinterpret_cast<Bytef*>(bytes.data() + taken);
      stream.avail_in = uInt(count);
      taken += count;
    }
    stream.next_out = block.data();
    stream.avail_out = uInt(block.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.append(reinterpret_cast<char*>(block.data()), block.size() - stream.avail_out);
    if (out.size() > kMaxInflated) throw damaged(fmt::format("inflates to more than {} bytes", kMaxInflated));
    if (status == Z_STREAM_END) {
      const size_t next = taken - stream.avail_in;
      if (next == bytes.size()) return out;
      // Another member follows; anything else after the end is damage.
      if (bytes.size() - next < 2 || bytes[next] != '\x1f' || bytes[next + 1] != '\x8b') throw damaged("is followed by something else");
      if (inflateReset(&stream) != Z_OK) throw damaged("is damaged");
    } else if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && taken == bytes.size() && stream.avail_out != 0)) {
      throw damaged("ends early");
    } else if (status != Z_OK) {
      throw damaged("is damaged");
    }
  }
}

std::string read_maybe_gzip(const std::string& path) { return inflate_maybe_gzip(read_file(path), path); }

void write_file(const std::string& path, std::string_view bytes) { write_file_parts(path, {bytes}); }

void write_file_parts(const std::string& path, const std::vector<std::string_view>& parts) {
  struct stat facts {};
  fs::path target = path;
  if (::stat(path.c_str(), &facts) == 0) {
    if (S_ISDIR(facts.st_mode)) fail_write(path, EISDIR);
    if (!S_ISREG(facts.st_mode)) {  // a device or a pipe is written to, never replaced
      Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
      if (file.number < 0) fail_write(path, errno);
      for (std::string_view part : parts) write_all(file.number, part, path);
      return;
    }
    std::error_code ignored;
    if (fs::is_symlink(target, ignored)) target = fs::canonical(target, ignored);
  }
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const fs::path part_path = folder / fmt::format(".{}.{}.part", target.filename().string(), ::getpid());
  Descriptor file{::open(part_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (file.number < 0) fail_write(path, errno);
  try {
    for (std::string_view part : parts) write_all(file.number, part, path);
    if (::fsync(file.number) != 0) fail_write(path, errno);
    if (::rename(part_path.c_str(), target.c_str()) != 0) fail_write(path, errno);
  } catch (...) {
    ::unlink(part_path.c_str());
    throw;
  }
  sync_folder(folder);
}

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    throw StorageError(fmt::format("{}: the folder cannot be made: {}", path, error.message()), "choose a folder that may be written");
}

bool file_exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string hex_digest(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;  // FNV alone stirs its high bits too little for short inputs
  return fmt::format("{:016x}", hash ^ (hash >> 32));
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

uint32_t crc32_of(std::string_view bytes) { return uint32_t(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size())); }

}  // namespace retort

#include "retort/teachers/signal_writer.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/signal_format.h"
#include "retort/teachers/signal_rows.h"

namespace retort {

struct SignalWriter::Body {
  Body(const std::string& path, SignalHeader header, int64_t block_rows, bool sync_blocks)
      : path(path), header(std::move(header)), block_rows(block_rows), sync_blocks(sync_blocks), rows(this->header) {
    if (block_rows < 1) throw std::invalid_argument("SignalWriter: block_rows must be at least 1");
    file = path.empty() ? ::memfd_create("signals", MFD_CLOEXEC) : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) throw failure(errno);
    try {
      start();
    } catch (...) {
      ::close(file);
      throw;
    }
  }
  ~Body() { ::close(file); }

  std::string name() const { return path.empty() ? "signals in memory" : path; }
  // Memory has a name only here.
  std::string reachable() const { return path.empty() ? fmt::format("/proc/self/fd/{}", file) : path; }

  StorageError failure(int error) const {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return StorageError(fmt::format("{}: cannot be written: {}", name(), std::strerror(error)),
                        full ? "make room; what was captured before is whole" : "check that the folder exists and may be written");
  }

  void start() {
    struct stat facts {};
    if (::flock(file, LOCK_EX | LOCK_NB) != 0)
      throw StorageError(fmt::format("{}: another program is writing it", name()), "wait for it, or capture into a file of its own");
    if (::fstat(file, &facts) != 0) throw failure(errno);
    if (!S_ISREG(facts.st_mode)) throw StorageError(fmt::format("{}: is not a regular file", name()), "give a file to capture to");
    const std::string head = signal_format::header_bytes(header);
    const auto size = static_cast<size_t>(facts.st_size);
    if (size >= head.size()) return go_on();
    if (size > 0 && read_file(path) != head.substr(0, size)) go_on();  // says what is wrong with it
    write(head, 0);
    sync();
    end = head.size();
  }

  void go_on() {
    const SignalStore store(MappedFile::open(path), path, Damaged::skip);
    if (const std::string other = difference(store.header(), header); !other.empty()) {
      throw ConfigError(fmt::format("{}: holds signals of another capture: {}", path, other),
                        "capture into another file, or remove this one");
    }
    for (size_t i = 0; i < store.blocks().size(); ++i) {
      const SignalBlock& block = store.blocks()[i];
      next_number = block.number + 1;
      ++blocks;
      if (block.struck || store.whole(i)) {
        headers.append(store.bytes() + block.offset, signal_format::block_header_size(header, block.struck));
        continue;
      }
      const std::string struck = signal_format::struck_bytes(block.number, block.offset, block.bytes);
      write(struck, block.offset);
      headers += struck;
      mended = true;
    }
    sealed = store.sealed() && !mended;
    end = store.whole_bytes();
    warnings = store.warnings();
    const Tensor ids = store.ids();
    for (int64_t i = 0; i < ids.numel(); ++i) table.add(ids.data_ptr<int64_t>()[i]);
    if (!sealed && ::ftruncate(file, static_cast<off_t>(end)) != 0) throw failure(errno);
    if (mended || store.torn_bytes() > 0) sync();
  }

  void write(std::string_view bytes, size_t offset) const {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(file, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw failure(errno);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<size_t>(written);
    }
  }

  void sync() const {
    if (!path.empty() && ::fdatasync(file) != 0) throw failure(errno);
  }

  // What a full disk let through is taken back.
  void write_at_end(const std::string& bytes, bool wait) {
    try {
      if (sealed && ::ftruncate(file, static_cast<off_t>(end)) != 0) throw failure(errno);
      sealed = false;
      write(bytes, end);
      if (wait) sync();
    } catch (...) {
      if (::ftruncate(file, static_cast<off_t>(end)) != 0) warnings.push_back(name() + ": its unfinished end could not be cut");
      throw;
    }
  }

  void flush_block() {
    const int64_t count = std::min(block_rows, rows.size());
    if (count == 0) return;
    const std::string bytes = signal_format::block_bytes(next_number, end, count, rows.block(count));
    write_at_end(bytes, sync_blocks);
    headers.append(bytes, 0, signal_format::block_header_size(header));
    ++blocks;
    ++next_number;
    end += bytes.size();
    rows.drop(count);
  }

  std::string path;
  SignalHeader header;
  int64_t block_rows;
  bool sync_blocks;
  int file = -1;
  SignalRows rows;  // waiting
  IdTable table;    // ids that are written or wait
  size_t end = 0;   // of the last whole block
  int64_t next_number = 0;
  std::string headers;  // of the blocks so far: what the index will be made of
  size_t blocks = 0;
  bool sealed = false, mended = false;
  std::vector<std::string> warnings;
};

SignalWriter::SignalWriter(const std::string& path, SignalHeader header, int64_t block_rows, bool sync_blocks)
    : body_(std::make_unique<Body>(path, std::move(header), block_rows, sync_blocks)) {}
SignalWriter::~SignalWriter() = default;

bool SignalWriter::has(int64_t id) const { return body_->table.find(id) >= 0; }
int64_t SignalWriter::count() const { return body_->table.size(); }
const std::vector<int64_t>& SignalWriter::ids() const { return body_->table.ids(); }
const std::vector<std::string>& SignalWriter::warnings() const { return body_->warnings; }
size_t SignalWriter::bytes() const { return body_->end; }

void SignalWriter::append(const Tensor& ids, const Signals& said, const std::vector<TextRow>& texts) {
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous();
  const auto* const numbers = list.data_ptr<int64_t>();
  std::set<int64_t> new_ids;
  for (int64_t i = 0; i < list.numel(); ++i) {
    if (!has(numbers[i]) && new_ids.insert(numbers[i]).second) continue;
    throw ConfigError(fmt::format("{}: sample id {} is there already", body_->name(), numbers[i]), "give every sample an id of its own");
  }
  body_->rows.add(list, said, texts);
  for (int64_t i = 0; i < list.numel(); ++i) body_->table.add(numbers[i]);
  while (body_->rows.size() >= body_->block_rows) body_->flush_block();
}

void SignalWriter::append(const SignalStore& from, int64_t id) {
  body_->rows.add(from, id);
  body_->table.add(id);
  while (body_->rows.size() >= body_->block_rows) body_->flush_block();
}

void SignalWriter::flush() {
  while (body_->rows.size() > 0) body_->flush_block();
}

void SignalWriter::seal() {
  flush();
  if (body_->sealed) return;
  const size_t end = body_->end;
  body_->write_at_end(signal_format::index_bytes(body_->headers, body_->blocks, end), true);
  body_->sealed = true;
}

std::shared_ptr<const SignalStore> SignalWriter::open() const {
  return std::make_shared<SignalStore>(MappedFile::open(body_->reachable()), body_->name());
}

}  // namespace retort

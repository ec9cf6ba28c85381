// Signal stores while they grow: rows gather into blocks, a block is on the disk when flush() returns, and a writer that was killed leaves a file
// that the next one continues.
#pragma once

#include <functional>

#include "retort/teachers/signal_store.h"

namespace retort {

class SignalWriter {
 public:
  // Creates the file, or goes on with the one that is there: all of it is checked, the unfinished end of a killed writer is cut, damaged blocks are
  // struck out (their ids count as not captured), and the seal comes off with the next block. An empty path means memory. Throws ConfigError (a
  // header other than the file's, names the difference), DataError (no signal store), StorageError (cannot be written, or is being written).
  // Without `sync_blocks` only seal() waits for the disk: for files that nobody goes on with.
  SignalWriter(const std::string& path, SignalHeader header, int64_t block_rows = 1024, bool sync_blocks = true);
  ~SignalWriter();  // rows not yet flushed are lost
  SignalWriter(const SignalWriter&) = delete;
  SignalWriter& operator=(const SignalWriter&) = delete;

  bool has(int64_t id) const;  // written, or waiting for its block
  int64_t count() const;
  const std::vector<int64_t>& ids() const;           // in the order of capture
  const std::vector<std::string>& warnings() const;  // what was mended on opening, one line each

  // One row an id, of every column of the header: `said` brings those of Signals ([b, …] each; an embedding as features["embedding"]), `texts` those
  // of text. A full block is flushed. Throws TeacherError (not finite), ConfigError (beyond fp16, an id that is there already): then none of
  // these rows was taken. Throws StorageError: rows that are not on the disk go on waiting.
  void append(const Tensor& ids, const Signals& said, const std::vector<TextRow>& texts = {});
  void append(const Tensor& ids, const std::vector<TextRow>& texts) { append(ids, Signals{}, texts); }
  void append(const SignalStore& from, int64_t id);  // the row of a store with an equal header

  void flush();                                     // what waits becomes a block, and is on the disk (fdatasync); throws StorageError
  void seal();                                      // the same, then the index that lets stores open at once; more may be appended later
  std::shared_ptr<const SignalStore> open() const;  // as far as it is flushed
  size_t bytes() const;                             // of the file, as far as it is flushed

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// A sealed file that appears whole or not at all: `fill` appends. What it throws leaves nothing behind.
void write_signals(const std::string& path, const SignalHeader& header, int64_t block_rows, const std::function<void(SignalWriter&)>& fill);

struct MergeSummary {
  int64_t rows = 0, repeated = 0;  // ids written; answers that several stores held, all equal
};
// All rows of these stores in one sealed file, which appears whole. Damaged stores are refused. Throws ConfigError (headers differ, no store), DataError (damage; two
// answers for one id: names id, column and files), StorageError.
MergeSummary merge_signal_stores(const std::vector<std::string>& paths, const std::string& out);

}  // namespace retort

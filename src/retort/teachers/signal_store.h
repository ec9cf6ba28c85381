// What a teacher said about a data set, captured once: compact, checksummed, read at random by sample id from a mapped file. A file grows block by
// block (signal_writer.h) and is readable at every moment of its life; its bytes are described in docs/formats.md and signal_format.h.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "retort/base/error.h"
#include "retort/base/knobs.h"
#include "retort/base/mapped_file.h"
#include "retort/data/dataset.h"
#include "retort/remote/chat.h"
#include "retort/teachers/id_table.h"
#include "retort/teachers/teacher.h"

namespace retort {

struct CaptureOptions {
  std::string precision = "fp32";
  bool logits = true, labels = false, pack_topk = false;
  int64_t topk = 0;
  std::vector<std::string> features;
  int64_t batch = 256, block_rows = 1024;
  void describe(Knobs& knobs);
};

struct SignalColumn {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape = {};                // of one row
  int64_t k = 0;                                  // of packed top-k
  bool varies() const { return name == "text"; }  // rows of different lengths
  int64_t row_bytes() const;
};
bool operator==(const SignalColumn& a, const SignalColumn& b);

// The columns that there are. `half`: fp16 instead of fp32.
namespace signal_columns {
SignalColumn ids();  // the first of every store
SignalColumn labels();
SignalColumn logits(int64_t classes, bool half = false);
std::vector<SignalColumn> topk(int64_t k, bool half = false);  // values, indices, tail
SignalColumn packed_topk(int64_t k, int64_t classes);          // the same in fewer bytes, see topk_codec.h
SignalColumn feature(const std::string& tap, std::vector<int64_t> shape, bool half = false);
SignalColumn embedding(int64_t size, bool half = false);
SignalColumn text();  // completions with token log-probabilities
}  // namespace signal_columns

// What a store is about; equal in all that are merged.
struct SignalHeader {
  int64_t classes = 0;                // 0 where nothing is decided between (texts, embeddings)
  std::vector<SignalColumn> columns;  // "ids" first
  std::string teacher, data;          // who said it, about which data
  nlohmann::json input;               // how the inputs were prepared (InputSpec)
};
SignalHeader signal_header(const Teacher& teacher, const Dataset& data, const CaptureOptions& options);  // throws ConfigError
// What differs first, as "columns: … and …"; empty for equal headers.
std::string difference(const SignalHeader& a, const SignalHeader& b);

using TextRow = std::vector<Completion>;  // the samples of one prompt

struct SignalBlock {
  int64_t number = 0, rows = 0, first_row = 0;  // rows 0 where not even the block's header can be read, and where it was struck out
  bool struck = false;                          // its damage was mended by a writer: it holds nothing any more
  size_t offset = 0, bytes = 0;                 // in the file
  std::vector<size_t> starts, sizes;            // of the columns: their place in the file
  std::vector<uint32_t> checksums;
};

// How to treat blocks whose checksums differ: `refuse` when they are read; `skip`: check every block on opening, as if their ids had not been
// captured.
enum class Damaged { refuse, skip };

class SignalStore {
 public:
  static std::shared_ptr<const SignalStore> open(const std::string& path, Damaged damaged = Damaged::refuse);  // throws DataError
  // The store in these bytes; `name` stands for the path in errors. Throws DataError.
  SignalStore(MappedFile bytes, std::string name, Damaged damaged = Damaged::refuse);

  const SignalHeader& header() const { return header_; }
  const std::string& name() const { return name_; }
  int64_t count() const { return table_.size(); }  // ids that can be read, as far as is known
  int64_t classes() const { return header_.classes; }
  Access access() const;                                      // text, hard_labels, topk, logits or features
  const SignalColumn* column(const std::string& name) const;  // null when it was not captured
  int64_t topk() const;                                       // how many log-probabilities are stored, plain or packed
  Tensor ids() const;                                         // [count] int64, in the order of capture
  bool has(int64_t id) const { return table_.find(id) >= 0; }

  // The rows of a column for these ids: float32 or int64, [b, …shape]. A block is checked the first time that it is touched. Throws DataError:
  // an unknown id, a damaged block (its number, rows, ids and place in the file).
  Tensor read(const std::string& column, const Tensor& ids) const;
  Signals read_topk(const Tensor& ids) const;  // values, indices and tail, plain or packed
  std::vector<TextRow> read_text(const Tensor& ids) const;

  // Reads everything. Names all damaged blocks, and the unfinished end of a store that is not sealed; empty when there are none.
  std::vector<std::string> faults() const;
  void verify() const;                                                    // throws DataError naming all faults
  const std::vector<std::string>& warnings() const { return warnings_; }  // what was left out on opening, one line each
  bool sealed() const { return sealed_; }                                 // whether the writer finished
  size_t whole_bytes() const { return whole_bytes_; }                     // where the last whole block ends
  size_t torn_bytes() const { return torn_bytes_; }                       // behind it, of a writer that was stopped
  const std::vector<SignalBlock>& blocks() const { return blocks_; }
  bool whole(size_t block) const;  // whether all of it can be read (or it was struck out)
  const char* bytes() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }

 private:
  friend class SignalRows;  // copies rows from store to store
  struct Place {
    size_t block;
    int64_t row;  // in the block
  };
  void find_blocks(size_t offset);
  void drop_torn_block();
  void fill_table(Damaged damaged);
  bool whole(size_t block, size_t column) const;  // by its checksum
  bool header_whole(size_t block) const;
  std::string fault(size_t block) const;
  const int64_t* ids_of(size_t block) const;
  bool ids_known(size_t block) const;
  size_t index_of(const std::string& column) const;
  std::vector<Place> places(size_t column, const Tensor& ids) const;
  DataError unknown(int64_t id) const;
  std::string_view row_bytes(size_t column, Place place) const;

  MappedFile bytes_;
  std::string name_;
  SignalHeader header_;
  std::vector<SignalBlock> blocks_;
  IdTable table_;
  std::vector<std::pair<int64_t, size_t>> runs_;  // first row of the table and block, of every readable block
  bool sealed_ = false;
  size_t whole_bytes_ = 0, torn_bytes_ = 0;
  std::vector<std::string> warnings_;
  mutable std::vector<std::atomic<bool>> checked_;  // by block and column
};

// Asks the teacher about every row of the data, without random views, and keeps what it says: in memory when `path` is empty, else in a file
// that appears when all is said. Features bring the logits with them. Throws AccessError, TeacherError (an answer that is not finite),
// ConfigError (a value beyond fp16), StorageError, Interrupted. For captures that go on where they were stopped see SignalWriter.
std::shared_ptr<const SignalStore> capture_signals(Teacher& teacher, const Dataset& data, CaptureOptions options,
                                                   const std::string& path = {});

// A teacher that answers from a store: for inputs that repeat only (AccessError otherwise), and only what was captured.
std::unique_ptr<Teacher> stored_teacher(std::shared_ptr<const SignalStore> store);

}  // namespace retort

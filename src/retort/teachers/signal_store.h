// What a teacher said about a data set, captured once: compact, checksummed, read at random by sample id, in memory or from a mapped file.
//
// Bytes of a file (all numbers little-endian):
//   0    8  "RETORTSG"
//   8    4  version, 1
//   12   4  CRC-32 of the header text
//   16   8  length of the header text
//   24   …  header text, UTF-8 JSON, then zeros to the next multiple of 64
//   …       the columns in the header's order, each from the next multiple of 64 on: `count` rows one after another without gaps
//   …       the checksums, from the next multiple of 64 on: for every column in order, the CRC-32 (4 bytes) of each block of `block_rows` rows
//           (the last block of a column may be shorter); after them the CRC-32 of these checksums
// Nothing follows. The header is one object:
//   "classes", "count", "block_rows"   whole numbers
//   "columns"                          list of {"name", "type", "shape"}: type F32, F16, I32 or I64; shape of one row, [] for a single number
//   "teacher", "data"                  texts: who said it, about which data
//   "input"                            how the inputs were prepared (InputSpec)
// Columns: "ids" I64 [] comes first; then any of "logits" F32/F16 [classes]; "labels" I32 [] (the hard decision); "topk_values" F32/F16 [k]
// (log-probabilities, largest first), "topk_indices" I32 [k] and "topk_tail" F32 [] (log of the other classes' probability);
// "feature:TAP" F32/F16 [shape of the tap].
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "retort/base/knobs.h"
#include "retort/base/mapped_file.h"
#include "retort/data/dataset.h"
#include "retort/teachers/id_table.h"
#include "retort/teachers/teacher.h"

namespace retort {

struct CaptureOptions {
  std::string precision = "fp32";
  bool logits = true, labels = false;
  int64_t topk = 0;
  std::vector<std::string> features;
  int64_t batch = 256, block_rows = 1024;
  void describe(Knobs& knobs);
};

struct SignalColumn {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;  // of one row
  int64_t row_bytes() const;
};

// Header of a store, and where everything lies.
struct SignalLayout {
  int64_t classes = 0, count = 0, block_rows = 0;
  std::vector<SignalColumn> columns;
  std::string teacher, data;
  nlohmann::json input;

  std::string header() const;                           // the bytes before the columns
  static SignalLayout parse(std::string_view bytes, const std::string& name);  // checks everything but checksums; throws DataError

  size_t header_bytes = 0;                              // set by place() and parse()
  std::vector<size_t> starts;                           // of each column
  size_t checksums = 0, total = 0;
  void place(size_t header_size);
  int64_t blocks() const { return (count + block_rows - 1) / block_rows; }  // of one column
};

class SignalStore {
 public:
  static std::shared_ptr<const SignalStore> open(const std::string& path);  // throws DataError
  // The store in these bytes; `name` stands for the path in errors. Throws DataError.
  SignalStore(MappedFile bytes, std::string name);

  const SignalLayout& layout() const { return layout_; }
  const std::string& name() const { return name_; }
  int64_t count() const { return layout_.count; }
  int64_t classes() const { return layout_.classes; }
  Access access() const;                                // hard_labels, topk, logits or features
  const SignalColumn* column(const std::string& name) const;  // null when it was not captured
  Tensor ids() const;                                   // [count] int64, in the order of capture
  // The rows of a column for these ids: float32 or int64, [b, …shape]. A block is checked the first time that it is touched. Throws DataError:
  // an unknown id, a damaged block.
  Tensor read(const std::string& column, const Tensor& ids) const;
  void verify() const;                                  // every block; throws DataError naming the first damaged one
  const char* bytes() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }

 private:
  void check_block(size_t column, int64_t block) const;
  Tensor column_tensor(size_t column) const;            // over the mapped bytes

  MappedFile bytes_;
  std::string name_;
  SignalLayout layout_;
  IdTable table_;
  mutable std::vector<std::vector<bool>> checked_;      // by column and block
};

// Asks the teacher about every row of the data, without random views, and keeps what it says: in memory when `path` is empty, else in a file
// that appears when all is said. Features bring the logits with them. Throws AccessError, TeacherError (an answer that is not finite),
// ConfigError (a value beyond fp16), StorageError, Interrupted.
std::shared_ptr<const SignalStore> capture_signals(Teacher& teacher, const Dataset& data, CaptureOptions options, const std::string& path = {});

// A teacher that answers from a store: for inputs that repeat only (AccessError otherwise), and only what was captured.
std::unique_ptr<Teacher> stored_teacher(std::shared_ptr<const SignalStore> store);

}  // namespace retort

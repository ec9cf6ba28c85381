// Rows on their way into a block: checked, turned into bytes, column by column.
#pragma once

#include "retort/teachers/signal_store.h"

namespace retort {

class SignalRows {
 public:
  explicit SignalRows(const SignalHeader& header)
      : columns_(header.columns), classes_(header.classes), teacher_(header.teacher), bytes_(columns_.size()), ends_(columns_.size()) {}

  // All or nothing. Throws TeacherError, ConfigError; std::invalid_argument for tensors of other shapes.
  void add(const Tensor& ids, const Signals& said, const std::vector<TextRow>& texts);
  void add(const SignalStore& from, int64_t id);  // a row of a store with the same header
  static std::string other_answer(const SignalStore& a, const SignalStore& b,
                                  int64_t id);  // the first column in which they differ, or empty

  int64_t size() const { return static_cast<int64_t>(ids_.size()); }
  const std::vector<int64_t>& ids() const { return ids_; }
  std::vector<std::string> block(int64_t rows) const;  // the first rows, as the columns of a block
  void drop(int64_t rows);                             // those

 private:
  const std::vector<SignalColumn> columns_;
  int64_t classes_;
  std::string teacher_;
  std::vector<int64_t> ids_;
  std::vector<std::string> bytes_;         // by column
  std::vector<std::vector<size_t>> ends_;  // of the rows of a column whose rows vary
};

}  // namespace retort

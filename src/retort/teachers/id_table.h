// Sample ids to row numbers: rows are numbered in the order of their ids' first appearance.
#pragma once

#include <unordered_map>
#include <vector>

#include "retort/base/tensor.h"

namespace retort {

class IdTable {
 public:
  int64_t find(int64_t id) const;  // -1 when unknown
  int64_t add(int64_t id);         // its row, new or old
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }
  const std::vector<int64_t>& ids() const { return ids_; }  // by row
  // [b] int64 rows, -1 where unknown. ids: [b] int64.
  Tensor rows(const Tensor& ids) const;

 private:
  std::vector<int64_t> ids_;
  std::vector<int32_t> near_;                 // ids that are row numbers of some file: a table
  std::unordered_map<int64_t, int64_t> far_;  // any other number
};

}  // namespace retort

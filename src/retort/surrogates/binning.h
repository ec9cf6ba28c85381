// Columns cut into at most 255 bins at quantiles, and one more for missing values: what histogram trees and additive models read.
#pragma once

#include <cstdint>
#include <vector>

#include "retort/base/tensor.h"

namespace retort {

constexpr int kMissingBin = 255;

// Cuts of every column, rising; bin b of a column holds cuts[b-1] < x <= cuts[b], NaN is in kMissingBin.
struct Bins {
  std::vector<std::vector<float>> cuts;
  int64_t columns() const { return static_cast<int64_t>(cuts.size()); }
  int of(int64_t column, float value) const;
};
// Where a column has at most `most` distinct values each gets a bin, cut half way between them; else bins hold about as many rows each.
// x: [n, p] float32, NaN where missing. most: 2 … 255.
Bins fit_bins(const Tensor& x, int most = 255);

struct BinnedTable {
  Bins bins;
  int64_t rows = 0;
  std::vector<uint8_t> codes;  // column after column
  int64_t columns() const { return bins.columns(); }
  const uint8_t* column(int64_t j) const { return codes.data() + j * rows; }
};
BinnedTable bin_table(const Tensor& x, const Bins& bins);
inline BinnedTable bin_table(const Tensor& x) { return bin_table(x, fit_bins(x)); }

// A table with these columns of it, in this order.
BinnedTable take_columns(const BinnedTable& table, const std::vector<int64_t>& columns);

}  // namespace retort

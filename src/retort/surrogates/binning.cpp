#include "retort/surrogates/binning.h"

#include <algorithm>
#include <cmath>

namespace retort {
namespace {

// Between two neighbours, so that the lower one stays below it in floats too.
float between_values(float low, float high) {
  const float middle = static_cast<float>((static_cast<double>(low) + static_cast<double>(high)) / 2);
  return middle < high ? middle : low;
}

std::vector<float> cuts_of(std::vector<float>& values, int most) {
  std::sort(values.begin(), values.end());
  std::vector<float> distinct;
  std::unique_copy(values.begin(), values.end(), std::back_inserter(distinct));
  std::vector<float> cuts;
  if (distinct.size() <= static_cast<size_t>(most)) {
    for (size_t i = 1; i < distinct.size(); ++i) cuts.push_back(between_values(distinct[i - 1], distinct[i]));
    return cuts;
  }
  for (int b = 1; b < most; ++b) {
    const float at = values[values.size() * static_cast<size_t>(b) / static_cast<size_t>(most)];
    const auto above = std::upper_bound(distinct.begin(), distinct.end(), at);
    if (above == distinct.end()) break;
    const float cut = between_values(at, *above);
    if (cuts.empty() || cut > cuts.back()) cuts.push_back(cut);
  }
  return cuts;
}

}  // namespace

int Bins::of(int64_t column, float value) const {
  if (std::isnan(value)) return kMissingBin;
  const auto& own = cuts[static_cast<size_t>(column)];
  return static_cast<int>(std::lower_bound(own.begin(), own.end(), value) - own.begin());
}

Bins fit_bins(const Tensor& x, int most) {
  const Tensor columns = x.to(at::kFloat).t().contiguous();
  const int64_t rows = columns.size(1);
  Bins bins;
  for (int64_t j = 0; j < columns.size(0); ++j) {
    const float* value = columns.data_ptr<float>() + j * rows;
    std::vector<float> present;
    std::copy_if(value, value + rows, std::back_inserter(present), [](float v) { return !std::isnan(v); });
    bins.cuts.push_back(cuts_of(present, most));
  }
  return bins;
}

BinnedTable bin_table(const Tensor& x, const Bins& bins) {
  const Tensor columns = x.to(at::kFloat).t().contiguous();
  BinnedTable table{bins, columns.size(1), std::vector<uint8_t>(static_cast<size_t>(columns.numel()))};
  const float* value = columns.data_ptr<float>();
  uint8_t* code = table.codes.data();
  for (int64_t j = 0; j < columns.size(0); ++j)
    for (int64_t i = 0; i < table.rows; ++i) *code++ = static_cast<uint8_t>(bins.of(j, *value++));
  return table;
}

BinnedTable take_columns(const BinnedTable& table, const std::vector<int64_t>& columns) {
  BinnedTable taken{{}, table.rows, {}};
  for (const int64_t j : columns) {
    taken.bins.cuts.push_back(table.bins.cuts[static_cast<size_t>(j)]);
    taken.codes.insert(taken.codes.end(), table.column(j), table.column(j) + table.rows);
  }
  return taken;
}

}  // namespace retort

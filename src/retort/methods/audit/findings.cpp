#include "retort/methods/audit/findings.h"

#include <cmath>
#include <numeric>

namespace retort::audit {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// "4", "3.5", "-0.25".
std::string plain(double value) { return fmt::format("{:g}", std::abs(value) < 1e5 ? std::round(value * 1000) / 1000 : value); }

}  // namespace

bool Findings::missing_features() const {
  if (!tested || (residuals.low <= 0 && residuals.high >= 0)) return false;
  if (null.empty()) return true;
  const double centre = mean_of(null);
  double squares = 0;
  for (const double r : null) squares += (r - centre) * (r - centre);
  const double deviation = std::sqrt(squares / static_cast<double>(std::max<size_t>(null.size() - 1, 1)));
  return std::abs(residuals.pearson - centre) > normal_quantile(0.5 + level / 2) * deviation;
}

std::vector<FlaggedRange> flagged_ranges(const std::vector<BinView>& bins, bool categories_apart, const std::vector<AuditColumn>& columns) {
  std::vector<FlaggedRange> ranges;
  bool open = false;
  for (size_t i = 0; i < bins.size(); ++i) {
    const BinView& bin = bins[i];
    const bool follows = open && ranges.back().feature == bin.feature && (ranges.back().difference > 0) == (bin.difference.mean > 0) &&
                         bin.code != kMissingBin && !(categories_apart && columns[static_cast<size_t>(bin.feature)].category());
    if (!bin.flagged) {
      open = false;
      continue;
    }
    if (!follows) ranges.push_back({bin.feature, 0, i, i, 0});
    FlaggedRange& range = ranges.back();
    range.difference = (range.difference * static_cast<double>(range.rows) + bin.difference.mean * static_cast<double>(bin.rows)) /
                       static_cast<double>(range.rows + bin.rows);
    range.rows += bin.rows;
    range.last = i;
    open = true;
  }
  return ranges;
}

std::string range_in_words(const Findings& found, const FlaggedRange& range) {
  const BinView &first = found.bins[range.first], &last = found.bins[range.last];
  const AuditColumn& column = found.log.columns[static_cast<size_t>(range.feature)];
  if (first.code == kMissingBin) return "no value";
  if (column.category()) return column.values[std::min<size_t>(first.code, column.values.size() - 1)];
  // The values that occur in the bins, so that whole numbers stay whole.
  double low = INFINITY, high = -INFINITY, least = INFINITY, most = -INFINITY;
  for (int64_t i = 0; i < found.log.rows(); ++i) {
    const auto x = static_cast<double>(found.log.x[i][range.feature].item<float>());
    if (std::isnan(x)) continue;
    least = std::min(least, x), most = std::max(most, x);
    const uint8_t code = found.bench.table.column(range.feature)[i];
    if (code >= first.code && code <= last.code) low = std::min(low, x), high = std::max(high, x);
  }
  if (low == high) return plain(low);
  if (low == least && high == most) return "all values";
  if (low == least) return "up to " + plain(high);
  if (high == most) return plain(low) + " and more";
  return plain(low) + " to " + plain(high);
}

}  // namespace retort::audit

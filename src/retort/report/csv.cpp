#include "retort/report/csv.h"

#include <cmath>

#include <fmt/format.h>

#include "retort/report/table.h"

namespace retort {
namespace {

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

std::string results_csv(const std::vector<RunView>& runs) {
  std::vector<report::Results> results;
  for (const RunView& run : runs) results.push_back(report::results_of(run));
  const std::vector<report::Column> columns = report::all_columns(results);
  const std::vector<std::string> labels = run_labels(runs);
  std::string csv = "run,model";
  for (const report::Column& column : columns) csv += "," + field(column.key);
  csv += "\r\n";
  for (size_t r = 0; r < runs.size(); ++r) {
    for (const report::Results::Row& row : results[r].rows) {
      csv += field(labels[r]) + "," + field(row.name);
      for (const report::Column& column : columns) {
        const double value = report::number_at(row.values, column.key);
        csv += std::isfinite(value) ? fmt::format(",{}", value) : ",";
      }
      csv += "\r\n";
    }
  }
  return csv;
}

}  // namespace retort

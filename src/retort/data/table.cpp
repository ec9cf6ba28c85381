#include "retort/data/table.h"

#include <charconv>
#include <unordered_map>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

using Names = std::vector<std::string>;
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostClasses = 1000;

bool whole_number(const std::string& cell, int64_t& value) {
  const auto [stop, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && stop == cell.data() + cell.size() && !cell.empty();
}

bool contains(const Names& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool looks_like_header(const Names& row) {
  return std::none_of(row.begin(), row.end(), [](const auto& cell) { return cell.empty() || as_number(cell); });
}

int64_t find_column(const std::string& wanted, const Names& names, const std::string& what, const std::string& path) {
  if (const auto at = std::find(names.begin(), names.end(), wanted); at != names.end()) return at - names.begin();
  const auto n = static_cast<int64_t>(names.size());
  if (int64_t at = 0; whole_number(wanted, at) && at >= -n && at < n) return at < 0 ? at + n : at;
  const std::string near = nearest_name(wanted, names);
  throw ConfigError(fmt::format("data.{}: {} has no column '{}'", what, path, wanted),
                    near.empty() ? fmt::format("its {} columns are {} … (or a number)", n, names[0]) : "did you mean '" + near + "'?");
}

std::vector<int64_t> feature_columns(const Names& wanted, const Names& names, int64_t label, const std::string& path) {
  std::set<int64_t> left_out{label};
  std::vector<int64_t> chosen;
  for (const auto& column : wanted) {
    if (column.size() > 1 && column[0] == '-' && !contains(names, column))
      left_out.insert(find_column(column.substr(1), names, "columns", path));
    else
      chosen.push_back(find_column(column, names, "columns", path));
  }
  if (chosen.empty())
    for (int64_t at = 0; at < static_cast<int64_t>(names.size()); ++at) chosen.push_back(at);
  chosen.erase(std::remove_if(chosen.begin(), chosen.end(), [&](int64_t at) { return left_out.count(at) > 0; }), chosen.end());
  if (chosen.empty())
    throw ConfigError("data.columns: no feature column of " + path + " is left", "name at least one column beside the label");
  return chosen;
}

// Fills column `c` of `raw` and returns its description.
nlohmann::json read_column(const CsvText& csv, int64_t at, const Names& missing, const std::string& name, Tensor& raw, int64_t c) {
  auto cells = raw.accessor<double, 2>();
  bool numeric = true, any = false;
  for (size_t i = 0; i < csv.rows.size() && numeric; ++i) {
    const auto& cell = csv.rows[i][static_cast<size_t>(at)];
    if (contains(missing, cell)) continue;
    numeric = as_number(cell).has_value();
    any = true;
  }
  nlohmann::json column{{"name", name}, {"at", at}, {"type", numeric && any ? "number" : "category"}};
  std::map<std::string, int64_t> codes;
  if (column["type"] == "category") {
    for (const auto& row : csv.rows)
      if (const auto& cell = row[static_cast<size_t>(at)]; !contains(missing, cell)) codes[cell] = 0;
    int64_t next = 0;
    column["values"] = nlohmann::json::array();
    for (auto& [value, code] : codes) code = next++, column["values"].push_back(value);
  }
  for (size_t i = 0; i < csv.rows.size(); ++i) {
    const auto& cell = csv.rows[i][static_cast<size_t>(at)];
    cells[static_cast<int64_t>(i)][c] = contains(missing, cell) ? kMissing
                                        : numeric               ? *as_number(cell)
                                                                : static_cast<double>(codes.at(cell));
  }
  return column;
}

Names label_values(const CsvText& csv, int64_t at, const Names& missing, const std::string& name) {
  std::set<std::string> values;
  bool numeric = true;
  for (const auto& row : csv.rows)
    if (const auto& cell = row[static_cast<size_t>(at)]; !contains(missing, cell)) {
      values.insert(cell);
      numeric = numeric && as_number(cell);
      if (values.size() > kMostClasses)
        throw DataError(fmt::format("{}: the label column {} has more than {} different values, expected classes", name, at, kMostClasses),
                        "set data.label to the column that holds the class");
    }
  if (values.empty()) throw DataError(name + ": not one row has a label", "set data.label to the column that holds the class");
  Names sorted(values.begin(), values.end());
  if (numeric) std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return *as_number(a) < *as_number(b); });
  return sorted;
}

// scikit-learn's first line "150,4,setosa,versicolor,virginica"; blanked out so that line numbers stay. Empty when it is none.
Names take_sklearn_line(std::string& text, const std::string& name) {
  const size_t end = text.find('\n');
  if (end == std::string::npos || text.find('"') < end || !std::isdigit(static_cast<unsigned char>(text[0]))) return {};
  Names cells = parse_csv(std::string_view(text).substr(0, end), name, ',').rows.at(0);
  int64_t rows = 0, features = 0;
  if (cells.size() < 4 || !whole_number(cells[0], rows) || !whole_number(cells[1], features)) return {};
  if (rows < 1 || rows != std::count(text.begin() + static_cast<int64_t>(end) + 1, text.end(), '\n') + (text.back() != '\n')) return {};
  for (size_t c = 2; c < cells.size(); ++c)
    if (as_number(cells[c])) return {};
  std::fill(text.begin(), text.begin() + static_cast<int64_t>(end), ' ');
  return Names(cells.begin() + 2, cells.end());
}

// `classes` may be named in the cells, or numbered from 0.
Tensor read_labels(const CsvText& csv, int64_t at, const Names& missing, const Names& classes, const std::string& name) {
  std::unordered_map<std::string, int64_t> index;
  for (size_t c = 0; c < classes.size(); ++c) index.emplace(classes[c], static_cast<int64_t>(c));
  const bool named = std::none_of(classes.begin(), classes.end(), [](const auto& name) { return as_number(name).has_value(); });
  for (size_t c = 0; c < classes.size() && named; ++c) index.emplace(std::to_string(c), static_cast<int64_t>(c));
  Tensor labels = at::empty({static_cast<int64_t>(csv.rows.size())}, at::kLong);
  for (size_t i = 0; i < csv.rows.size(); ++i) {
    const auto& cell = csv.rows[i][static_cast<size_t>(at)];
    const auto found = index.find(cell);
    if (found == index.end() && !contains(missing, cell))
      throw DataError(fmt::format("{}:{}: label out of range: expected {}one of {} … {}, found '{}'", name, csv.lines[i],
                                  named ? fmt::format("0 to {} or ", classes.size() - 1) : "", classes.front(), classes.back(), cell),
                      "correct the row, or leave its label empty");
    labels.data_ptr<int64_t>()[i] = found == index.end() ? -1 : found->second;
  }
  return labels;
}

}  // namespace

Dataset parse_table(std::string text, const std::string& name, const TableOptions& options) {
  Names classes = options.classes;
  if (Names given = take_sklearn_line(text, name); !given.empty()) classes = std::move(given);
  CsvText csv = parse_csv(text, name);
  const size_t fields = csv.rows[0].size();
  Names names = options.names;
  const bool header = options.header == "yes" || (options.header == "auto" && looks_like_header(csv.rows[0]));
  if (header) {
    names = csv.rows[0];
    csv.rows.erase(csv.rows.begin()), csv.lines.erase(csv.lines.begin());
  }
  if (names.size() != fields) {
    names.clear();
    for (size_t c = 0; c < fields; ++c) names.push_back("column" + std::to_string(c));
  }
  names = distinct_names(std::move(names));
  if (csv.rows.empty()) throw DataError(name + ": a header and no rows", "expected at least one row of data");
  if (fields < 2) throw DataError(name + ": one column, expected features and a label", "is the separator a comma, a tab or a semicolon?");

  const int64_t label = options.label.empty() ? static_cast<int64_t>(fields) - 1 : find_column(options.label, names, "label", name);
  if (classes.empty()) classes = label_values(csv, label, options.missing, name);
  const auto columns = feature_columns(options.columns, names, label, name);

  Dataset data;
  data.labels = read_labels(csv, label, options.missing, classes, name);
  data.inputs = at::empty({data.labels.size(0), static_cast<int64_t>(columns.size())}, at::kDouble);
  data.ids = at::arange(data.labels.size(0), at::kLong);
  nlohmann::json described = nlohmann::json::array();
  for (size_t c = 0; c < columns.size(); ++c)
    described.push_back(
        read_column(csv, columns[c], options.missing, names[static_cast<size_t>(columns[c])], data.inputs, static_cast<int64_t>(c)));
  data.spec.shape = {data.inputs.size(1)};
  data.spec.classes = std::move(classes);
  data.spec.table = {
      {"fields", fields}, {"label", label}, {"header", header}, {"missing", options.missing}, {"columns", std::move(described)}};
  return data;
}

Dataset read_table(const std::string& path, const TableOptions& options) { return parse_table(read_maybe_gzip(path), path, options); }

}  // namespace retort

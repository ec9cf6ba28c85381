// Encoding of tables: fitted on training rows, applied to any. See table.h.
#include <unordered_map>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/data/table.h"

namespace retort {

namespace {

using Json = nlohmann::json;
constexpr size_t kMostValues = 256;

// A fitted column, ready to write its cells.
struct Coder {
  std::string name;
  int64_t at = 0;
  bool number = false, indicator = false;
  double shift = 0, scale = 1, fill = 0;
  std::vector<std::string> values;
  std::unordered_map<std::string, int64_t> places;

  int64_t width() const { return (number ? 1 : static_cast<int64_t>(values.size())) + indicator; }
  int64_t place(const std::string& value) const {
    const auto found = places.find(value);
    return found == places.end() ? -1 : found->second;
  }
  // NaN: missing.
  void write_number(float* out, double value) const {
    const bool gone = std::isnan(value);
    out[0] = static_cast<float>(((gone ? fill : value) - shift) / scale);
    if (indicator) out[1] = gone;
  }
  // `place`: among the values; -1 for a value that training has not seen, and for none.
  void write_category(float* out, int64_t place, bool gone) const {
    std::fill(out, out + width(), 0.f);
    if (place >= 0) out[place] = 1;
    if (indicator) out[values.size()] = gone;
  }
};

Coder coder(const Json& column) {
  Coder coder;
  coder.name = column.at("name");
  coder.at = column.at("at");
  coder.number = column.at("type") == "number";
  coder.indicator = column.at("missing");
  if (coder.number) {
    coder.shift = column.at("shift"), coder.scale = column.at("scale"), coder.fill = column.at("fill");
  } else {
    coder.values = column.at("values").get<std::vector<std::string>>();
    for (size_t i = 0; i < coder.values.size(); ++i) coder.places[coder.values[i]] = static_cast<int64_t>(i);
  }
  return coder;
}

std::vector<Coder> coders(const Json& fitted) {
  std::vector<Coder> all;
  for (const auto& column : fitted.at("columns")) all.push_back(coder(column));
  return all;
}

int64_t total_width(const std::vector<Coder>& all) {
  return std::accumulate(all.begin(), all.end(), int64_t{0}, [](int64_t sum, const Coder& coder) { return sum + coder.width(); });
}

// {shift, scale}: (x - shift) / scale is the encoded number. values: the present ones, float64.
std::pair<double, double> scaling(const Tensor& values, const std::string& normalise) {
  if (normalise == "none" || values.numel() == 0) return {0, 1};
  double shift, scale;
  if (normalise == "unit") {
    shift = values.min().item<double>(), scale = values.max().item<double>() - shift;
  } else {
    shift = values.mean().item<double>(), scale = values.std(/*unbiased=*/false).item<double>();
  }
  return {shift, scale > 1e-12 * std::max(1.0, std::abs(shift)) ? scale : 1};  // a constant column becomes 0
}

// The field each column stands in, for rows of so many fields.
std::vector<int64_t> fields_of(const std::vector<Coder>& columns, const Json& table, size_t fields, const std::vector<std::string>& names,
                               const std::string& where) {
  std::vector<int64_t> at;
  const bool without_label = names.empty() && fields + 1 == table.at("fields").get<size_t>();
  for (const auto& column : columns) {
    if (names.empty()) {
      at.push_back(column.at - (without_label && column.at > table.at("label").get<int64_t>()));
    } else {
      const auto found = std::find(names.begin(), names.end(), column.name);
      if (found == names.end())
        throw DataError(fmt::format("{}: no column '{}'", where, column.name),
                        "the model was trained with it; add it (empty cells where unknown)");
      at.push_back(found - names.begin());
    }
    if (at.back() < 0 || at.back() >= static_cast<int64_t>(fields))
      throw DataError(where + ": the model's description of table columns is damaged");
  }
  return at;
}

}  // namespace

Json fit_table(const Tensor& raw, const Json& table, const std::string& normalise, const std::string& name) {
  Json fitted = table;
  for (size_t c = 0; c < fitted["columns"].size(); ++c) {
    Json& column = fitted["columns"][c];
    const Tensor cells = raw.select(1, static_cast<int64_t>(c));
    const Tensor present = cells.masked_select(cells.isnan().logical_not());
    column["missing"] = present.size(0) < cells.size(0);
    if (column["type"] == "number") {
      const auto [shift, scale] = scaling(present, normalise);
      column["shift"] = shift, column["scale"] = scale;
      column["fill"] = present.size(0) ? present.mean().item<double>() : shift;
      continue;
    }
    std::set<int64_t> seen;
    for (int64_t i = 0; i < present.size(0); ++i) seen.insert(static_cast<int64_t>(present.data_ptr<double>()[i]));
    if (seen.size() > kMostValues) {
      const std::string text = column["name"];
      throw DataError(
          fmt::format("{}: column '{}' has {} different texts, expected at most {} categories", name, text, seen.size(), kMostValues),
          fmt::format("leave it out: data.columns = [\"-{}\"]", text));
    }
    Json values = Json::array();
    for (int64_t code : seen) values.push_back(column["values"][static_cast<size_t>(code)]);
    column["values"] = std::move(values);
  }
  if (table_width(fitted) == 0)
    throw DataError(name + ": the training rows hold no value in any column", "choose other columns or more rows");
  return fitted;
}

void check_table(const Json& fitted, int64_t expected_width, const std::string& where) {
  const std::string hint = "the file is damaged or was written by hand; save the model again";
  int64_t width = 0;
  try {
    for (const auto& column : coders(fitted)) {
      width += column.width();
      if (column.number && !(column.scale > 0)) throw DataError("");
    }
    if (fitted.at("fields").get<int64_t>() < 1 || fitted.at("label").get<int64_t>() < 0) throw DataError("");
    fitted.at("missing").get<std::vector<std::string>>();
  } catch (const std::exception&) {
    throw DataError(where + ": the description of the table's columns is not whole", hint);
  }
  if (width != expected_width)
    throw DataError(fmt::format("{}: the columns of the table make {} numbers, expected {} as in \"shape\"", where, width, expected_width),
                    hint);
}

int64_t table_width(const Json& fitted) { return total_width(coders(fitted)); }

std::vector<std::string> table_features(const Json& fitted) {
  std::vector<std::string> names;
  for (const auto& column : coders(fitted)) {
    if (column.number) names.push_back(column.name);
    for (const auto& value : column.values) names.push_back(column.name + "=" + value);
    if (column.indicator) names.push_back(column.name + " missing");
  }
  return names;
}

Tensor encode_table(const Tensor& raw, const Json& raw_table, const Json& fitted) {
  const auto columns = coders(fitted);
  Tensor out = at::empty({raw.size(0), total_width(columns)}, at::kFloat);
  if (raw.size(0) == 0) return out;
  const auto cells = raw.accessor<double, 2>();
  float* begin = out.data_ptr<float>();
  for (size_t c = 0; c < columns.size(); ++c) {
    std::vector<int64_t> places;  // raw code -> place among the fitted values
    if (!columns[c].number)
      for (const auto& value : raw_table.at("columns")[c].at("values")) places.push_back(columns[c].place(value));
    for (int64_t i = 0; i < raw.size(0); ++i) {
      const double cell = cells[i][static_cast<int64_t>(c)];
      if (columns[c].number)
        columns[c].write_number(begin + i * out.size(1), cell);
      else
        columns[c].write_category(begin + i * out.size(1), std::isnan(cell) ? -1 : places[static_cast<size_t>(cell)], std::isnan(cell));
    }
    begin += columns[c].width();
  }
  return out;
}

Tensor prepare_table_rows(const std::vector<std::vector<std::string>>& rows, const std::vector<std::string>& names, const InputSpec& spec,
                          const std::string& where) {
  if (spec.table.is_null()) throw DataError(where + ": the model does not read tables", "give it what it was trained on");
  const auto columns = coders(spec.table);
  const auto missing = spec.table.value("missing", std::vector<std::string>{});
  const size_t expected = spec.table.at("fields");
  Tensor out = at::empty({static_cast<int64_t>(rows.size()), total_width(columns)}, at::kFloat);
  std::vector<int64_t> at;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t fields = rows[i].size();
    if (names.empty() ? fields != expected && fields + 1 != expected : fields != names.size())
      throw DataError(
          fmt::format("{}: row {}: {} fields, expected {}", where, i + 1, fields,
                      names.empty() ? fmt::format("{}, or {} without the label", expected, expected - 1) : std::to_string(names.size())),
          "give the columns that the model was trained with");
    if (i == 0 || fields != rows[i - 1].size()) at = fields_of(columns, spec.table, fields, names, where);
    float* row = out.data_ptr<float>() + static_cast<int64_t>(i) * out.size(1);
    for (size_t c = 0; c < columns.size(); row += columns[c++].width()) {
      const auto& cell = rows[i][static_cast<size_t>(at[c])];
      const bool gone = std::find(missing.begin(), missing.end(), cell) != missing.end();
      if (!columns[c].number) {
        columns[c].write_category(row, gone ? -1 : columns[c].place(cell), gone);
        continue;
      }
      const auto value = gone ? std::nan("") : as_number(cell);
      if (!value)
        throw DataError(fmt::format("{}: row {}, column '{}': expected a number, found '{}'", where, i + 1, columns[c].name, cell),
                        "leave the cell empty where the value is missing");
      columns[c].write_number(row, *value);
    }
  }
  return out;
}

Tensor read_table_rows(const std::string& path, const InputSpec& spec) {
  if (spec.table.is_null()) throw DataError(path + ": the model does not read tables", "give it what it was trained on");
  CsvText csv = parse_csv(read_maybe_gzip(path), path);
  const auto columns = coders(spec.table);
  auto names = distinct_names(csv.rows[0]);
  const auto named = std::count_if(columns.begin(), columns.end(),
                                   [&](const Coder& column) { return std::find(names.begin(), names.end(), column.name) != names.end(); });
  // Half the names make a header, so that a missing column is told by its name.
  if (2 * named >= static_cast<int64_t>(columns.size()))
    csv.rows.erase(csv.rows.begin());
  else
    names.clear();
  return prepare_table_rows(csv.rows, names, spec, path);
}

}  // namespace retort

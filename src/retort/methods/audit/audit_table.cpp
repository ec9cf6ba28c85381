#include "retort/methods/audit/audit_table.h"

#include <filesystem>
#include <map>
#include <set>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/data/csv.h"
#include "retort/data/places.h"
#include "retort/data/sources.h"
#include "retort/stats/ranking.h"

namespace retort::audit {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostValues = 64;  // of a category; more is text

struct Cells {
  CsvText csv;
  std::vector<std::string> names;
  std::set<std::string> missing;
  std::string path;

  size_t find(const std::string& name, const std::string& key) const {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at != names.end()) return static_cast<size_t>(at - names.begin());
    const std::string near = nearest_name(name, names);
    throw ConfigError(fmt::format("{}: {} has no column '{}'", key, path, name),
                      near.empty() ? fmt::format("its columns begin with {}",
                                                 fmt::join(names.begin(), names.begin() + std::min<ptrdiff_t>(6, names.size()), ", "))
                                   : "did you mean '" + near + "'?");
  }
  const std::string& at(size_t row, size_t column) const { return csv.rows[row][column]; }
  bool gap(size_t row, size_t column) const { return missing.count(at(row, column)) > 0; }

  std::vector<double> numbers(const std::string& name, const std::string& key) const {
    const size_t column = find(name, key);
    std::vector<double> values;
    for (size_t i = 0; i < csv.rows.size(); ++i) {
      const auto number = gap(i, column) ? std::optional<double>(kMissing) : as_number(at(i, column));
      if (!number)
        throw DataError(fmt::format("{}:{}: the {} '{}': expected a number, found '{}'", path, csv.lines[i],
                                    key == "knobs.score" ? "score" : "outcome", name, at(i, column)),
                        "write yes-or-no outcomes as 1 and 0");
      values.push_back(*number);
    }
    return values;
  }
};

// Days since 1970 of "YYYY-MM-DD…" (Howard Hinnant's civil calendar), or NaN.
double day_of(const std::string& text) {
  int y = 0, m = 0, d = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%d", &y, &m, &d) != 3 || m < 1 || m > 12 || d < 1 || d > 31) return kMissing;
  y -= m <= 2;
  const int era = (y >= 0 ? y : y - 399) / 400, year = y - era * 400, day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097.0 + year * 365 + year / 4 - year / 100 + day - 719468;
}

std::vector<double> feature(const Cells& cells, const std::string& name, AuditColumn& column) {
  const size_t at = cells.find(name, "knobs.features");
  column.name = name;
  std::map<std::string, double> codes;
  bool numeric = true;
  for (size_t i = 0; i < cells.csv.rows.size(); ++i)
    if (!cells.gap(i, at)) codes[cells.at(i, at)] = 0, numeric = numeric && as_number(cells.at(i, at));
  if (!numeric && codes.size() > kMostValues)
    throw DataError(fmt::format("{}: the feature '{}' is text with {} different values, expected numbers or a category of at most {}",
                                cells.path, name, codes.size(), kMostValues),
                    "leave it out, or encode it first");
  if (!numeric)
    for (auto& [value, code] : codes) code = static_cast<double>(column.values.size()), column.values.push_back(value);
  std::vector<double> values;
  for (size_t i = 0; i < cells.csv.rows.size(); ++i)
    values.push_back(cells.gap(i, at) ? kMissing : numeric ? *as_number(cells.at(i, at)) : codes.at(cells.at(i, at)));
  return values;
}

std::vector<double> days_between(const Cells& cells, const std::string& text, AuditColumn& column) {
  const size_t equals = text.find('='), begin = equals == std::string::npos ? 0 : equals + 1, dots = text.find("..", begin);
  if (dots == std::string::npos) throw ConfigError(fmt::format("knobs.days: '{}': expected two columns of dates as NAME=FROM..TO", text));
  const size_t from = cells.find(text.substr(begin, dots - begin), "knobs.days"), to = cells.find(text.substr(dots + 2), "knobs.days");
  column.name = begin > 1 ? text.substr(0, equals) : fmt::format("days from {} to {}", cells.names[from], cells.names[to]);
  std::vector<double> values;
  for (size_t i = 0; i < cells.csv.rows.size(); ++i) values.push_back(day_of(cells.at(i, to)) - day_of(cells.at(i, from)));
  return values;
}

void set_columns(AuditTable& table, const std::vector<std::vector<double>>& columns) {
  table.x = at::empty({table.rows(), static_cast<int64_t>(columns.size())}, at::kFloat);
  auto x = table.x.accessor<float, 2>();
  for (size_t j = 0; j < columns.size(); ++j)
    for (size_t i = 0; i < columns[j].size(); ++i) x[static_cast<int64_t>(i)][static_cast<int64_t>(j)] = static_cast<float>(columns[j][i]);
}

}  // namespace

AuditTable read_audit_table(const AuditSource& source) {
  std::string path = source.source;
  if (const KnownSet* known = find_known(source.source)) {
    path.clear();
    for (const std::string& place : known->places)
      if (path.empty()) path = find_data(place);
    if (path.empty()) throw AbsentData(source.source);
  }
  if (!std::filesystem::is_regular_file(path))
    throw DataError(path + ": no such file, and no known table of this name",
                    "data.source is a CSV file, or a table of `retort data list`");
  Cells cells;
  cells.path = path;
  cells.csv = parse_csv(read_maybe_gzip(path), path);
  cells.names = distinct_names(cells.csv.rows.at(0));
  cells.csv.rows.erase(cells.csv.rows.begin()), cells.csv.lines.erase(cells.csv.lines.begin());
  cells.missing.insert(source.missing.begin(), source.missing.end());

  AuditTable table;
  table.name = source.source;
  const std::vector<double> score = cells.numbers(source.score, "knobs.score"), outcome = cells.numbers(source.outcome, "knobs.outcome");
  std::vector<std::vector<double>> columns;
  std::vector<std::string> features = source.features;
  if (features.empty())
    for (const std::string& name : cells.names)
      if (name != source.score && name != source.outcome) features.push_back(name);
  std::set<std::string> seen;
  for (const std::string& name : features) {
    if (name == source.score || name == source.outcome)
      throw ConfigError(fmt::format("knobs.features: '{}' is the {}", name, name == source.score ? "score" : "outcome"),
                        "a feature is what the black box may have seen");
    if (!seen.insert(name).second) throw ConfigError(fmt::format("knobs.features: '{}' is given twice", name));
    columns.push_back(feature(cells, name, table.columns.emplace_back()));
  }
  for (const std::string& text : source.days) columns.push_back(days_between(cells, text, table.columns.emplace_back()));

  std::vector<size_t> kept;
  for (size_t i = 0; i < score.size(); ++i)
    if (!std::isnan(score[i]) && !std::isnan(outcome[i])) kept.push_back(i);
  table.left_out = static_cast<int64_t>(score.size() - kept.size());
  if (2 * kept.size() < score.size())
    throw DataError(
        fmt::format("{}: score or outcome are missing in {} of {} rows, expected at most half", path, table.left_out, score.size()),
        "which cells mean a missing value is data.missing");
  for (const size_t i : kept) table.score.push_back(score[i]), table.outcome.push_back(outcome[i]);
  for (auto& column : columns) {
    std::vector<double> left;
    for (const size_t i : kept) left.push_back(column[i]);
    column = std::move(left);
  }
  set_columns(table, columns);
  table.binary = std::all_of(table.outcome.begin(), table.outcome.end(), [](double o) { return o == 0 || o == 1; });
  return table;
}

void check_audit_table(const AuditTable& table) {
  if (table.rows() < 200)
    throw DataError(fmt::format("{}: {} rows with score and outcome, expected at least 200", table.name, table.rows()));
  if (table.columns.empty()) throw ConfigError("knobs.features: no feature is left");
  const std::set<double> scores(table.score.begin(), table.score.end()), outcomes(table.outcome.begin(), table.outcome.end());
  if (scores.size() == 1)
    throw DataError(fmt::format("{}: every score is {}", table.name, *scores.begin()), "a constant score has nothing to audit");
  if (scores.size() < 3)
    throw DataError(fmt::format("{}: {} different scores, expected at least 3", table.name, scores.size()),
                    "a decision has no scale; audit the score that it was made from");
  if (outcomes.size() == 1) throw DataError(fmt::format("{}: every outcome is {}", table.name, *outcomes.begin()));
  for (size_t j = 0; j < table.columns.size(); ++j) {
    if (table.columns[j].category()) continue;
    std::vector<double> a, b;
    for (int64_t i = 0; i < table.rows(); ++i)
      if (const double value = static_cast<double>(table.x[i][static_cast<int64_t>(j)].item<float>()); !std::isnan(value))
        a.push_back(value), b.push_back(static_cast<double>(static_cast<float>(table.score[static_cast<size_t>(i)])));
    if (a.size() > 3 && std::abs(pearson(a, b)) > 1 - 1e-9)
      throw DataError(fmt::format("{}: the feature '{}' is the score itself", table.name, table.columns[j].name),
                      "leave it out of knobs.features");
  }
}

AuditTable made_up_log(const std::string& kind, int64_t rows, Seed seed, double planted) {
  AuditTable table;
  table.name = "made-up log (" + kind + ")";
  Dice dice(seed);
  std::vector<std::vector<double>> columns(6);
  for (int64_t i = 0; i < rows; ++i) {
    std::array<double, 6> x{};
    for (size_t j = 0; j < 6; ++j) columns[j].push_back(x[j] = dice.uniform(-1, 1));
    const double log_odds = 1.2 * x[0] + 0.8 * std::sin(3 * x[1]) + 0.9 * x[2] * x[2] - 0.3 + 0.7 * (x[3] > 0 ? 0.5 : -0.5) + 1.0 * x[4];
    const bool raised = kind == "planted" && x[0] > kPlantedFrom && x[0] <= kPlantedTo;
    table.score.push_back(log_odds + (raised ? planted : 0));
    table.outcome.push_back(dice.chance(1 / (1 + std::exp(-log_odds))) ? 1 : 0);
  }
  for (size_t j = 0; j < 6; ++j) table.columns.push_back({fmt::format("x{}", j + 1), {}});
  if (kind == "missing") columns.erase(columns.begin() + 4), table.columns.erase(table.columns.begin() + 4);
  set_columns(table, columns);
  return table;
}

}  // namespace retort::audit

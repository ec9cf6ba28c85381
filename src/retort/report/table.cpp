#include "retort/report/table.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "retort/report/charts.h"
#include "retort/report/html.h"

namespace retort::report {
namespace {

using nlohmann::json;

constexpr const char* kJoin = "\u2060";  // the arrow stays with the word before it

std::string header(const Column& column) {
  std::string text = escape(column.title);
  if (!column.unit.empty() && column.unit != "B") text += fmt::format(" <span class=\"unit\">{}</span>", escape(column.unit));
  if (column.better == "higher") text += fmt::format("{}<span class=\"better\" title=\"higher is better\">↑</span>", kJoin);
  if (column.better == "lower") text += fmt::format("{}<span class=\"better\" title=\"lower is better\">↓</span>", kJoin);
  return fmt::format("<th scope=\"col\" class=\"num\">{}</th>", text);
}

// The distance from the teacher, in words a reader can add up; empty where it says nothing.
std::string distance(const Column& column, double value, double reference) {
  if (column.better.empty() || !std::isfinite(value) || !std::isfinite(reference)) return {};
  const bool as_ratio = column.cost() && value > 0 && reference > 0;
  const std::string text = as_ratio ? ratio(value, reference) : signed_number(value - reference, column.digits);
  const bool same = cell(column, value) == cell(column, reference);
  const bool good = (value > reference) == (column.better == "higher");
  return fmt::format("<span class=\"delta {}\">{}</span>", same ? "" : good ? "good" : "bad", same ? "=" : text);
}

// The best text of a column among the rows that compete: everyone but the teachers. Nothing is best where all are equal, and costs
// within a twentieth of each other are: latencies tremble, and files differ by the length of their names.
std::string best_of(const Column& column, const std::vector<Results>& results) {
  double best = std::nan(""), most = 0;
  std::set<std::string> seen;
  for (const Results& run : results) {
    for (const Results::Row& row : run.rows) {
      const double value = number_at(row.values, column.key);
      if (&row == run.teacher() || !std::isfinite(value)) continue;
      seen.insert(cell(column, value));
      most = std::max(most, value);
      if (std::isnan(best) || (column.better == "higher" ? value > best : value < best)) best = value;
    }
  }
  const bool alike = seen.size() < 2 || (column.cost() && most < 1.05 * best);
  return column.better.empty() || alike ? std::string() : cell(column, best);
}

}  // namespace

bool Column::cost() const {
  static const std::set<std::string> units = {"B", "s", "ms", "µs", "ns"};
  return better == "lower" && (units.count(unit.substr(0, unit.find('/'))) > 0 || (unit.empty() && digits == 0));
}

Column column_in(const json& value) {
  Column column{text_at(value, "key"), text_at(value, "title"), text_at(value, "unit"), text_at(value, "better")};
  if (column.title.empty()) column.title = column.key;
  // As people write them; terminals get plain letters.
  if (column.unit == "bytes") column.unit = "B";
  if (column.unit.rfind("us", 0) == 0 && (column.unit.size() == 2 || column.unit[2] == '/')) column.unit.replace(0, 1, "µ");
  const double digits = number_at(value, "digits");
  if (std::isfinite(digits)) column.digits = static_cast<int>(std::clamp(digits, -1.0, 12.0));
  return column;
}

std::string cell(const Column& column, double value) { return column.unit == "B" ? bytes(value) : number(value, column.digits); }

std::string with_unit(const Column& column, double value) {
  const std::string text = cell(column, value);
  if (column.unit.empty() || column.unit == "B" || !std::isfinite(value)) return text;
  return text + (column.unit == "%" ? "%" : kSpace + column.unit);
}

const Column* Results::column(const std::string& key) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& column) { return column.key == key; });
  return found == columns.end() ? nullptr : &*found;
}

const Results::Row* Results::row(const std::string& name) const {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

const Results::Row* Results::teacher() const { return row(baseline); }

const Results::Row* Results::student() const {
  if (const Row* named = row("student")) return named;
  for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
    if (&*it != teacher()) return &*it;
  }
  return nullptr;
}

Results results_of(const RunView& run) {
  const json& table = member(run.run, "table");
  Results results;
  if (const std::string name = text_at(table, "baseline"); !name.empty()) results.baseline = name;
  for (const json& column : list(member(table, "columns"))) results.columns.push_back(column_in(column));
  for (const json& row : list(member(table, "rows"))) results.rows.push_back({text_at(row, "name"), member(row, "values")});
  return results;
}

std::vector<Column> all_columns(const std::vector<Results>& results) {
  std::vector<Column> columns;
  std::set<std::string> seen;
  for (const Results& run : results) {
    for (const Column& column : run.columns) {
      if (seen.insert(column.key).second) columns.push_back(column);
    }
  }
  return columns;
}

std::string results_table(const std::vector<Results>& results, const std::vector<std::string>& labels) {
  const bool several = results.size() > 1;
  const std::vector<Column> columns = all_columns(results);
  bool any_rows = false, any_teacher = false, any_best = false;
  std::vector<std::string> best;
  for (const Column& column : columns) best.push_back(best_of(column, results));

  std::string head = several ? "<th scope=\"col\">run</th><th scope=\"col\">model</th>" : "<th scope=\"col\">model</th>";
  for (const Column& column : columns) head += header(column);
  std::string body;
  for (size_t r = 0; r < results.size(); ++r) {
    const Results::Row* teacher = results[r].teacher();
    body += "<tbody>";
    for (const Results::Row& row : results[r].rows) {
      const bool is_teacher = &row == teacher;
      any_rows = true;
      any_teacher |= teacher != nullptr && !is_teacher;
      body += is_teacher ? "<tr class=\"teacher\">" : "<tr>";
      if (several) {
        body += fmt::format("<th scope=\"row\">{}{}</th><td>{}</td>", swatch(static_cast<int>(r) + 1), escape(labels[r]), escape(row.name));
      } else {
        body += fmt::format("<th scope=\"row\">{}{}</th>", swatch(colour_of(row.name)), escape(row.name));
      }
      for (size_t c = 0; c < columns.size(); ++c) {
        const double value = number_at(row.values, columns[c].key);
        const std::string text = cell(columns[c], value);
        const bool is_best = !is_teacher && !best[c].empty() && text == best[c];
        any_best |= is_best;
        body += fmt::format("<td class=\"num{}\">{}{}{}</td>", is_best ? " best" : "", text,
                            is_best ? "<span class=\"vh\"> (best)</span>" : "",
                            teacher && !is_teacher ? distance(columns[c], value, number_at(teacher->values, columns[c].key)) : "");
      }
      body += "</tr>";
    }
    body += "</tbody>";
  }
  if (!any_rows) return {};
  std::string note;
  if (any_best) note += "<span class=\"best-key\">Marked</span>: the best student of the column. ";
  if (any_teacher) note += "Small figures: the difference from the teacher, for sizes and times the ratio.";
  return scroll_box(fmt::format("<table class=\"results\"><thead><tr>{}</tr></thead>{}</table>", head, body), "Results") +
         (note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>", note));
}

std::string plain_table(const json& columns, const json& rows, const std::string& label) {
  std::vector<Column> all;
  for (const json& column : list(columns)) all.push_back(column_in(column));
  // A column is set in figures when every value it has is a number.
  std::vector<bool> numeric;
  std::string head;
  for (const Column& column : all) {
    numeric.push_back(!list(rows).empty() && std::none_of(list(rows).begin(), list(rows).end(), [&](const json& row) {
      return member(row, column.key).is_string() || member(row, column.key).is_boolean();
    }));
    head += numeric.back() ? header(column) : fmt::format("<th scope=\"col\">{}</th>", escape(column.title));
  }
  std::string body;
  for (const json& row : list(rows)) {
    body += "<tr>";
    for (size_t c = 0; c < all.size(); ++c) {
      const json& value = member(row, all[c].key);
      const std::string text = value.is_number() || value.is_null() ? cell(all[c], number_in(value)) : escape(text_in(value));
      body += c == 0 ? fmt::format("<th scope=\"row\">{}</th>", text)
                     : fmt::format("<td{}>{}</td>", numeric[c] ? " class=\"num\"" : "", text);
    }
    body += "</tr>";
  }
  return scroll_box(fmt::format("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body), label);
}

std::string scroll_box(const std::string& table, const std::string& label) {
  return fmt::format("<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">{}</div>", escape(label), table);
}

}  // namespace retort::report

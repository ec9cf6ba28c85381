#include "retort/report/matrix.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "retort/report/html.h"
#include "retort/report/run_view.h"
#include "retort/report/table.h"

namespace retort::report {
namespace {

using nlohmann::json;

// Beyond so many classes the cells are too small for figures; the colours and the tooltips stay.
constexpr size_t kMostNumbered = 30;

// A cell `heat` of the way to full colour. Ink turns light where the ground is dark enough.
std::string heat_cell(const std::string& hue, double heat, const std::string& text, const std::string& tip) {
  const bool strong = heat > 0.7;
  return fmt::format("<td class=\"{}{}\" style=\"--heat:{:.3g}%\"{}>{}</td>", hue, strong ? " strong" : "",
                     100 * std::clamp(heat, 0.0, 1.0), tip.empty() ? "" : fmt::format(" title=\"{}\"", escape(tip)), text);
}

std::string matrix(const std::string& columns, const std::string& rows, bool dense, const std::string& label) {
  return scroll_box(fmt::format("<table class=\"heat{}\"><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>",
                                dense ? " dense" : "", columns, rows),
                    label);
}

}  // namespace

Confusion confusion_of(const json& panel) {
  Confusion confusion;
  const json& counts = list(member(panel, "counts"));
  const json& classes = list(member(panel, "classes"));
  for (size_t i = 0; i < counts.size(); ++i) {
    confusion.classes.push_back(i < classes.size() ? text_in(classes[i]) : std::to_string(i));
    std::vector<double> row(counts.size(), 0);
    for (size_t j = 0; j < std::min(counts.size(), list(counts[i]).size()); ++j)
      row[j] = counts[i][j].is_number() ? number_in(counts[i][j]) : 0;
    confusion.counts.push_back(std::move(row));
  }
  return confusion;
}

std::string confusion_table(const Confusion& confusion, const std::string& label) {
  const size_t n = confusion.classes.size();
  const bool dense = n > kMostNumbered;
  std::string columns, rows;
  double most_wrong = 0;
  for (size_t i = 0; i < n; ++i) {
    columns += fmt::format("<th scope=\"col\">{}</th>", dense ? "" : escape(confusion.classes[i]));
    for (size_t j = 0; j < n; ++j) {
      if (i != j) most_wrong = std::max(most_wrong, confusion.counts[i][j]);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    double total = 0;
    for (const double count : confusion.counts[i]) total += count;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(confusion.classes[i]));
    for (size_t j = 0; j < n; ++j) {
      const double count = confusion.counts[i][j];
      if (count == 0) {
        rows += dense ? "<td></td>" : "<td class=\"zero\">·</td>";
        continue;
      }
      // Right answers are shaded by their share of the row; wrong ones against the worst confusion, so that a single one still shows.
      const double heat = i == j ? 0.9 * count / total : 0.2 + 0.8 * count / most_wrong;
      rows += heat_cell(i == j ? "right" : "wrong", heat, dense ? "" : number(count, 0),
                        fmt::format("{} taken for {}: {}", confusion.classes[i], confusion.classes[j], number(count, 0)));
    }
    rows += "</tr>";
  }
  return matrix(columns, rows, dense, label);
}

std::string confusion_in_words(const Confusion& confusion) {
  double total = 0, right = 0, most = 0;
  size_t from = 0, to = 0;
  for (size_t i = 0; i < confusion.classes.size(); ++i) {
    for (size_t j = 0; j < confusion.classes.size(); ++j) {
      const double count = confusion.counts[i][j];
      total += count;
      if (i == j) right += count;
      if (i != j && count > most) most = count, from = i, to = j;
    }
  }
  const std::string sides = " A row is a true class, a column what was answered.";
  if (total == 0) return {};
  if (most == 0) return fmt::format("All {} right.{}", number(total, 0), sides);
  const std::string wrong = fmt::format("{} of {} wrong ({}%)", number(total - right, 0), number(total, 0),
                                        number(100 * (total - right) / total, 1));
  if (most < 2) return wrong + "." + sides;
  return fmt::format("{}, most often {} taken for {} ({} times).{}", wrong, confusion.classes[from], confusion.classes[to], number(most, 0),
                     sides);
}

std::string heatmap_table(const json& panel) {
  const json& values = list(member(panel, "values"));
  const json &x = list(member(panel, "x")), &y = list(member(panel, "y"));
  const double digits = number_at(panel, "digits");
  double low = INFINITY, high = -INFINITY;
  size_t width = 0;
  for (const json& row : values) {
    width = std::max(width, list(row).size());
    for (const json& value : list(row)) {
      if (std::isfinite(number_in(value))) low = std::min(low, number_in(value)), high = std::max(high, number_in(value));
    }
  }
  if (width == 0) return {};
  const bool dense = width > kMostNumbered;
  std::string columns, rows;
  for (size_t j = 0; j < width; ++j)
    columns += fmt::format("<th scope=\"col\">{}</th>", !dense && j < x.size() ? escape(text_in(x[j])) : "");
  for (size_t i = 0; i < values.size(); ++i) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", i < y.size() ? escape(text_in(y[i])) : "");
    for (size_t j = 0; j < width; ++j) {
      const double value = j < list(values[i]).size() ? number_in(values[i][j]) : std::nan("");
      const std::string text = number(value, std::isfinite(digits) ? static_cast<int>(std::clamp(digits, -1.0, 12.0)) : 2);
      const std::string tip = j < x.size() && i < y.size() ? fmt::format("{}, {}: {}", text_in(y[i]), text_in(x[j]), text) : "";
      rows += std::isfinite(value)
                  ? heat_cell("right", high > low ? 0.05 + 0.9 * (value - low) / (high - low) : 0.5, dense ? "" : text, tip)
                  : fmt::format("<td class=\"zero\">{}</td>", kMissing);
    }
    rows += "</tr>";
  }
  return matrix(columns, rows, dense, text_at(panel, "title"));
}

}  // namespace retort::report

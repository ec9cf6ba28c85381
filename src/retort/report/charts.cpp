#include "retort/report/charts.h"

#include <cmath>
#include <map>

#include <fmt/format.h>

#include "retort/report/html.h"

namespace retort::report {
namespace {

using nlohmann::json;

// Five digits draw the same picture as seventeen and keep the page small.
json plotted(double value) { return std::isfinite(value) ? json(rounded(value, 5)) : json(); }

// What a reader who cannot see the chart is told: where each line starts and ends.
std::string in_words(const Chart& chart) {
  std::string text = chart.title;
  for (const Series& series : chart.series) {
    if (series.points.empty()) continue;
    text += fmt::format("; {}: ", series.name.empty() ? "values" : series.name);
    if (chart.kind == "lines") {
      text += fmt::format("from {} to {}", number(series.points.front().second), number(series.points.back().second));
    } else {
      text += fmt::format("{} points", series.points.size());
    }
  }
  return text;
}

}  // namespace

int colour_of(const std::string& name, int place) {
  static const std::map<std::string, int> roles = {{"teacher", 1}, {"alone", 2}, {"student", 3}};
  const auto found = roles.find(name);
  return found != roles.end() ? found->second : (place + 3) % kColours + 1;
}

std::string swatch(int colour) {
  return fmt::format("<span class=\"swatch c{}\" aria-hidden=\"true\"></span>", (colour - 1) % kColours + 1);
}

std::string ChartBook::add(const Chart& chart) {
  const size_t id = charts_.size();
  json series = json::array();
  std::string legend;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const Series& line = chart.series[s];
    json points = json::array();
    for (const auto& [x, y] : line.points) points.push_back({plotted(x), plotted(y)});
    json entry = {{"name", line.name}, {"colour", (line.colour - 1) % kColours + 1}, {"dashed", line.dashed}, {"points", points}};
    if (!line.weights.empty()) entry["weights"] = line.weights;
    if (!line.errors.empty()) entry["errors"] = line.errors;
    for (const auto& [low, high] : line.band) entry["band"].push_back({plotted(low), plotted(high)});
    series.push_back(entry);
    if (!line.name.empty()) legend += fmt::format("<li data-series=\"{}\">{}{}</li>", s, swatch(line.colour), escape(line.name));
  }
  charts_.push_back(
      {{"kind", chart.kind}, {"x", chart.x}, {"y", chart.y}, {"log_y", chart.log_y}, {"categories", chart.categories}, {"series", series}});
  for (const Stretch& mark : chart.marks) charts_.back()["marks"].push_back({plotted(mark.from), plotted(mark.to), mark.side});
  return fmt::format(
      "<figure class=\"card chart {}\" data-chart=\"{}\"><figcaption><h3>{}</h3>{}{}</figcaption><div class=\"plot\">"
      "<canvas role=\"img\" aria-label=\"{}\"></canvas><noscript><p>This chart is drawn by JavaScript, which is switched off "
      "here.</p></noscript></div></figure>",
      escape(chart.kind), id, escape(chart.title), chart.note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>", escape(chart.note)),
      legend.empty() ? "" : fmt::format("<ul class=\"legend\">{}</ul>", legend), escape(in_words(chart)));
}

std::string ChartBook::data_block(const std::string& nonce) const {
  return fmt::format("<script type=\"application/json\" id=\"chart-data\" nonce=\"{}\">{}</script>", nonce, script_json(charts_));
}

}  // namespace retort::report

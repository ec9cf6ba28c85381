#include "retort/report/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

namespace retort::report {
namespace {

using nlohmann::json;

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostCharts = 16;
const std::string kTerm = "term.";

// Mean of the finite y of points[from, to).
std::pair<double, double> mean_of(const Points& points, size_t from, size_t to) {
  double x = 0, y = 0;
  size_t finite = 0;
  for (size_t i = from; i < to; ++i) {
    x += points[i].first;
    if (std::isfinite(points[i].second)) y += points[i].second, ++finite;
  }
  return {x / static_cast<double>(to - from), finite > 0 ? y / static_cast<double>(finite) : kNothing};
}

struct Quantity {
  std::string kind, key;  // kind: train or eval
  bool operator==(const Quantity& other) const { return kind == other.kind && key == other.key; }
};

// Phases and quantities of a run in order of first appearance, and one line of points for each pair.
struct Log {
  std::vector<std::string> phases;
  std::vector<Quantity> quantities;
  std::map<std::string, Points> lines;

  static std::string line_key(const std::string& phase, const Quantity& quantity) {
    return phase + '\n' + quantity.kind + '\n' + quantity.key;
  }
  const Points* line(const std::string& phase, const Quantity& quantity) const {
    const auto found = lines.find(line_key(phase, quantity));
    return found == lines.end() ? nullptr : &found->second;
  }
  // The phase a comparison of runs is about.
  std::string main_phase() const {
    if (std::count(phases.begin(), phases.end(), "student") > 0 || phases.empty()) return "student";
    return phases.back();
  }
};

template <class T>
void add_once(std::vector<T>& all, const T& value) {
  if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
}

Log read_log(const RunView& run) {
  Log log;
  for (const json& row : run.metrics) {
    const double step = number_at(row, "step");
    if (!std::isfinite(step)) continue;
    const std::string phase = text_at(row, "phase"), kind = text_at(row, "kind") == "eval" ? "eval" : "train";
    add_once(log.phases, phase);
    for (const auto& [key, value] : row.items()) {
      const bool place = key == "phase" || key == "kind" || key == "step" || key == "epoch" || key == "seconds";
      if (place || !(value.is_number() || value.is_null())) continue;
      const Quantity quantity{kind, key};
      add_once(log.quantities, quantity);
      log.lines[Log::line_key(phase, quantity)].push_back({step, number_in(value)});
    }
  }
  return log;
}

bool is_term(const Quantity& quantity) { return quantity.key.compare(0, kTerm.size(), kTerm) == 0; }

int rank(const Quantity& quantity) {
  static const std::vector<std::string> order = {"train/loss", "eval/accuracy", "eval/nll", "eval/ece"};
  const auto found = std::find(order.begin(), order.end(), quantity.kind + "/" + quantity.key);
  if (found != order.end()) return static_cast<int>(found - order.begin());
  if (quantity.key == "lr") return 30;
  return is_term(quantity) ? 10 : quantity.kind == "eval" ? 5 : 20;
}

bool percentage(const std::string& key) { return key == "accuracy" || key == "ece" || key == "agreement"; }

Chart chart_of(const Quantity& quantity) {
  static const std::map<std::string, std::string> titles = {{"train/loss", "Training loss"},
                                                            {"eval/accuracy", "Accuracy while training"},
                                                            {"eval/nll", "Negative log-likelihood while training"},
                                                            {"eval/ece", "Calibration error while training"},
                                                            {"train/lr", "Learning rate"}};
  Chart chart;
  const auto title = titles.find(quantity.kind + "/" + quantity.key);
  chart.title = title != titles.end()     ? title->second
                : is_term(quantity)       ? "Loss term: " + quantity.key.substr(kTerm.size())
                : quantity.kind == "eval" ? quantity.key + " while training"
                                          : quantity.key;
  chart.x = "step";
  if (percentage(quantity.key)) chart.y = "%";
  return chart;
}

void add_line(Chart& chart, const Quantity& quantity, const std::string& name, const Points& points, int colour, bool dashed = false) {
  Series series;
  series.name = name;
  series.points = thinned(quantity.kind == "train" && quantity.key != "lr" ? smoothed(points) : points);
  series.colour = colour;
  series.dashed = dashed;
  chart.series.push_back(std::move(series));
}

// A logarithmic axis where a linear one would flatten most of the curve against the floor.
bool spans_decades(const Chart& chart) {
  double low = INFINITY, high = 0;
  for (const Series& series : chart.series) {
    for (const auto& [x, y] : series.points) {
      if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
    }
  }
  return low > 0 && high / low > 50 && std::isfinite(high / low);
}

void choose_axis(Chart& chart, const Quantity& quantity) {
  chart.log_y = quantity.kind == "train" && quantity.key != "lr" && spans_decades(chart);
}

Chart across_runs(const Quantity& quantity, const std::vector<Log>& logs, const std::vector<std::string>& labels) {
  Chart chart = chart_of(quantity);
  for (size_t r = 0; r < logs.size(); ++r) {
    const Points* points = logs[r].line(logs[r].main_phase(), quantity);
    if (points) add_line(chart, quantity, labels[r], *points, static_cast<int>(r) + 1, r >= kColours);
  }
  choose_axis(chart, quantity);
  return chart;
}

Chart across_phases(const Quantity& quantity, const Log& log) {
  Chart chart = chart_of(quantity);
  for (size_t p = 0; p < log.phases.size(); ++p) {
    const Points* points = log.line(log.phases[p], quantity);
    if (points) add_line(chart, quantity, log.phases[p], *points, colour_of(log.phases[p], static_cast<int>(p)), p >= kColours);
  }
  choose_axis(chart, quantity);
  return chart;
}

// A loss of one term is that term: the loss itself is drawn already.
Chart terms_of(const std::string& phase, const std::vector<Quantity>& quantities, const Log& log) {
  Chart chart;
  chart.title = "Terms of the loss: " + phase;
  chart.x = "step";
  for (const Quantity& quantity : quantities) {
    const Points* points = is_term(quantity) ? log.line(phase, quantity) : nullptr;
    const int place = static_cast<int>(chart.series.size());
    if (points) add_line(chart, quantity, quantity.key.substr(kTerm.size()), *points, colour_of("", place), place >= kColours);
  }
  chart.log_y = spans_decades(chart);
  if (chart.series.size() < 2) chart.series.clear();
  return chart;
}

}  // namespace

Points smoothed(const Points& points) {
  if (points.size() <= 100) return points;
  const size_t reach = std::max<size_t>(1, points.size() / 50);
  Points out;
  out.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t before = std::min(reach, i), after = std::min(before, points.size() - 1 - i);
    const double y = std::isfinite(points[i].second) ? mean_of(points, i - before, i + after + 1).second : kNothing;
    out.push_back({points[i].first, y});
  }
  return out;
}

Points thinned(const Points& points, size_t limit) {
  if (points.size() <= limit || limit < 3) return points;
  Points out = {points.front()};
  const size_t inner = points.size() - 2, stretches = limit - 2;
  for (size_t s = 0; s < stretches; ++s) out.push_back(mean_of(points, 1 + s * inner / stretches, 1 + (s + 1) * inner / stretches));
  out.push_back(points.back());
  return out;
}

std::vector<Chart> curves(const std::vector<RunView>& runs, const std::vector<std::string>& labels) {
  std::vector<Log> logs;
  std::vector<Quantity> quantities;
  for (const RunView& run : runs) {
    logs.push_back(read_log(run));
    for (const Quantity& quantity : logs.back().quantities) add_once(quantities, quantity);
  }
  std::stable_sort(quantities.begin(), quantities.end(), [](const Quantity& a, const Quantity& b) { return rank(a) < rank(b); });

  std::vector<Chart> charts;
  const auto keep = [&](Chart chart) {
    if (!chart.series.empty() && charts.size() < kMostCharts) charts.push_back(std::move(chart));
  };
  bool terms_drawn = false;
  for (const Quantity& quantity : quantities) {
    if (runs.size() > 1) {
      keep(across_runs(quantity, logs, labels));
    } else if (!is_term(quantity)) {
      keep(across_phases(quantity, logs[0]));
    } else if (!terms_drawn) {
      for (const std::string& phase : logs[0].phases) keep(terms_of(phase, quantities, logs[0]));
      terms_drawn = true;
    }
  }
  return charts;
}

}  // namespace retort::report

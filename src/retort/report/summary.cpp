#include "retort/report/summary.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "retort/report/html.h"

namespace retort::report {
namespace {

double value_of(const Results::Row* row, const std::string& key) { return row ? number_at(row->values, key) : std::nan(""); }
bool positive(double value) { return std::isfinite(value) && value > 0; }

// A sentence wants one decimal of a percentage, except where nothing would be left of it.
Column spoken(Column column, double value) {
  if (column.unit == "%" && std::fabs(value) >= 0.1) column.digits = std::min(column.digits, 1);
  return column;
}

// "2.1 points" for percentages, the bare figure otherwise.
std::string gap(const Column& column, double value) {
  return cell(spoken(column, value), std::fabs(value)) + (column.unit == "%" ? " points" : "");
}

// "at 1/40 of its size"; empty without both counts.
std::string size_phrase(double student, double teacher) {
  if (!positive(student) || !positive(teacher)) return {};
  const std::string factor = ratio(student, teacher);
  if (factor == "× 1") return " at the same size";
  return student < teacher ? fmt::format(" at {} of its size", factor)
                           : fmt::format(" at {} times its size", factor.substr(std::string("× ").size()));
}

std::string kept_sentence(const Results& results, const Column& accuracy) {
  const double student = value_of(results.student(), "accuracy"), teacher = value_of(results.teacher(), "accuracy");
  const double size = value_of(results.student(), "parameters");
  const std::string who = positive(size) ? fmt::format("A student of {} parameters", number(size, 0)) : "The student";
  if (!positive(teacher)) return fmt::format("{} reaches an accuracy of {}.", who, with_unit(spoken(accuracy, student), student));
  const std::string where = size_phrase(size, value_of(results.teacher(), "parameters"));
  if (student >= teacher) {
    return fmt::format("{} {} the teacher’s accuracy ({} against {}){}.", who, student > teacher ? "exceeds" : "reaches",
                       with_unit(accuracy, student), with_unit(accuracy, teacher), where);
  }
  // Rounding must not turn a loss into "100%".
  const double kept = std::min(100 * student / teacher, 99.9);
  return fmt::format("{} keeps {}% of the teacher’s accuracy{}.", who, number(kept, 1), where);
}

std::string alone_sentence(const Results& results, const Column& accuracy) {
  const double student = value_of(results.student(), "accuracy"), alone = value_of(results.row("alone"), "accuracy");
  if (!std::isfinite(alone) || results.student() == results.row("alone")) return {};
  const std::string reached = fmt::format(" Trained alone, the same net reaches {}: ", with_unit(spoken(accuracy, alone), alone));
  if (cell(accuracy, student) == cell(accuracy, alone)) return reached + "here the teacher changes nothing.";
  if (student > alone) return reached + fmt::format("the teacher is worth {}.", gap(accuracy, student - alone));
  return reached + fmt::format("here the teacher costs {}.", gap(accuracy, student - alone));
}

std::string state_sentence(const RunView& run) {
  const std::string status = text_at(run.run, "status");
  if (status == "failed") return "This run failed before its end; what it had measured is below.";
  if (status == "finished") return {};
  return "This run has not finished; what it has measured so far is below.";
}

// The first column named `key`, or beginning with it.
const Column* column_like(const Results& results, const std::string& key) {
  for (const Column& column : results.columns) {
    if (column.key.rfind(key, 0) == 0) return &column;
  }
  return nullptr;
}

}  // namespace

const nlohmann::json& lead_of(const RunView& run) {
  static const nlohmann::json none;
  for (const nlohmann::json& panel : list(member(run.run, "panels"))) {
    if (text_at(panel, "kind") == "lead") return panel;
  }
  return none;
}

std::string summary_of(const RunView& run, const Results& results) {
  std::string text = state_sentence(run);
  if (const std::string lead = text_at(lead_of(run), "text"); !lead.empty()) return text + (text.empty() ? "" : " ") + lead;
  const Column* accuracy = results.column("accuracy");
  if (accuracy && std::isfinite(value_of(results.student(), "accuracy"))) {
    if (!text.empty()) text += " ";
    text += kept_sentence(results, *accuracy) + alone_sentence(results, *accuracy);
  } else if (text.empty()) {
    const std::string method = text_at(run.run, "method");
    text = fmt::format("{} finished in {}.", method.empty() ? "The run" : "A run of " + method, duration(number_at(run.run, "seconds")));
  }
  return text;
}

std::string summary_of(const std::vector<std::string>& labels, const std::vector<Results>& results) {
  size_t best = 0, worst = 0, found = 0;
  const Column* accuracy = nullptr;
  const auto at = [&](size_t r) { return value_of(results[r].student(), "accuracy"); };
  for (size_t r = 0; r < results.size(); ++r) {
    if (!std::isfinite(at(r)) || !results[r].column("accuracy")) continue;
    if (found++ == 0) best = worst = r, accuracy = results[r].column("accuracy");
    if (at(r) > at(best)) best = r;
    if (at(r) < at(worst)) worst = r;
  }
  if (found < 2) return fmt::format("{} runs side by side.", results.size());
  if (cell(*accuracy, at(best)) == cell(*accuracy, at(worst))) return fmt::format("All students reach {}.", with_unit(*accuracy, at(best)));
  return fmt::format("The most accurate student comes from {}: {}, {} above the least accurate, {}.", labels[best],
                     with_unit(*accuracy, at(best)), gap(*accuracy, at(best) - at(worst)), labels[worst]);
}

std::vector<Figure> key_figures(const RunView& run, const Results& results) {
  std::vector<Figure> figures;
  const Results::Row *student = results.student(), *teacher = results.teacher();
  const auto beside_teacher = [&](const Column& column) {
    const double value = value_of(teacher, column.key);
    return std::isfinite(value) ? fmt::format("teacher {}", with_unit(column, value)) : std::string();
  };
  const auto plain = [&](const std::string& key, const std::string& name) {
    const Column* column = results.column(key);
    if (column && std::isfinite(value_of(student, key)))
      figures.push_back({with_unit(*column, value_of(student, key)), name, beside_teacher(*column)});
  };
  const auto compared = [&](const Column* column, const std::string& name, const std::string& unit, auto written) {
    if (!column || !positive(value_of(student, column->key)) || !positive(value_of(teacher, column->key))) return;
    const double mine = value_of(student, column->key), theirs = value_of(teacher, column->key);
    figures.push_back(
        {written(mine, theirs), name, fmt::format("{} against {}{}", with_unit(*column, mine), with_unit(*column, theirs), unit)});
  };
  const auto speed = [](double mine, double theirs) { return number(rounded(theirs / mine, 2)) + "×"; };
  for (const nlohmann::json& figure : list(member(lead_of(run), "figures")))
    figures.push_back({text_at(figure, "value"), text_at(figure, "name"), text_at(figure, "detail")});
  plain("accuracy", "accuracy");
  compared(results.column("parameters"), "of the teacher’s size", " parameters", ratio);
  compared(column_like(results, "latency"), "the teacher’s speed", "", speed);
  if (const Column* column = results.column("agreement"); column && std::isfinite(value_of(student, "agreement"))) {
    figures.push_back({with_unit(*column, value_of(student, "agreement")), "agreement", "same answer as the teacher"});
  }
  plain("ece", "calibration error");
  if (figures.empty()) {
    for (const auto& [key, value] : member(run.run, "metrics").items()) {
      if (figures.size() < 5 && value.is_number()) figures.push_back({number(number_in(value)), key, ""});
    }
  }
  const double seconds = number_at(run.run, "seconds"), cpu = number_at(run.run, "cpu_seconds");
  if (std::isfinite(seconds))
    figures.push_back({duration(seconds), "whole run", std::isfinite(cpu) ? duration(cpu) + " of processor time" : ""});
  return figures;
}

}  // namespace retort::report

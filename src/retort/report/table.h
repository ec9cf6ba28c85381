// Tables of numbers: the results of one or several runs, and the tables of panels.
#pragma once

#include <string>
#include <vector>

#include "retort/report/run_view.h"

namespace retort::report {

struct Column {
  std::string key, title, unit, better;  // unit "B" is scaled to kB, MB …; better: "higher", "lower" or ""
  int digits = 2;
  // Counts and costs (parameters, bytes, times) are compared as ratios, everything else as differences.
  bool cost() const;
};
Column column_in(const nlohmann::json& value);
std::string cell(const Column& column, double value);       // without the unit, except bytes, which are scaled
std::string with_unit(const Column& column, double value);  // "97.1%", "12 µs"

// The result table of a run: its columns and rows, and who is who in it.
struct Results {
  struct Row {
    std::string name;
    nlohmann::json values;
  };
  std::vector<Column> columns;
  std::vector<Row> rows;
  const Column* column(const std::string& key) const;  // null when there is none
  const Row* row(const std::string& name) const;
  const Row* teacher() const;  // the row named `table.baseline`, "teacher" unless given; may be null
  const Row* student() const;  // the row "student", else the last that is not the teacher's; may be null

  std::string baseline = "teacher";
};
Results results_of(const RunView& run);

// Columns of all runs in order of first appearance, and cells as text: for CSV and for the page.
std::vector<Column> all_columns(const std::vector<Results>& results);

// The table of results with the best values marked and each row's distance from its teacher. One run: a row a model; several runs: a
// column of run names in front. Empty when no run has rows.
std::string results_table(const std::vector<Results>& results, const std::vector<std::string>& labels);

// A table whose rows are objects by column key; numbers are written by their column, everything else as text.
std::string plain_table(const nlohmann::json& columns, const nlohmann::json& rows, const std::string& label);

// A box that scrolls sideways by itself, reachable by keyboard.
std::string scroll_box(const std::string& table, const std::string& label);

}  // namespace retort::report

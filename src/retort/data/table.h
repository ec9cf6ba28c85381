// Tables: columns of numbers and of categories, with missing values, and their encoding into one float row.
//
// A raw table is a Dataset whose inputs are float64 [n, columns]: numbers as they are, categories by their place in the column's list of
// values, NaN where missing. Its spec.table describes the columns:
//   {"fields": 15, "label": 14, "header": true, "missing": ["", "?"], "columns": [
//     {"name": "age", "at": 0, "type": "number", "shift": 38.6, "scale": 13.6, "fill": 38.6, "missing": false},
//     {"name": "sex", "at": 9, "type": "category", "values": ["Female", "Male"], "missing": false}]}
// fit_table adds shift, scale, fill (numbers) and "missing" (whether an indicator column follows), and cuts values to those seen.
#pragma once

#include <string>
#include <vector>

#include "retort/data/csv.h"
#include "retort/data/dataset.h"

namespace retort {

struct TableOptions {
  std::string label, header = "auto";
  std::vector<std::string> columns, missing;
  std::vector<std::string> names;    // of all fields, where the file has no header
  std::vector<std::string> classes;  // labels name them or number them from 0; empty: the label's values, in numeric or alphabetic order
};

// Rows with a missing label get label -1. A first line "rows,features,name,name,…" (scikit-learn's form) gives the class names.
// Throws DataError / ConfigError: damaged CSV, no such column (with the nearest name), more than 1,000 classes, label out of range.
Dataset read_table(const std::string& path, const TableOptions& options);
Dataset parse_table(std::string text, const std::string& name, const TableOptions& options);

// Fits the encoding on raw training rows and returns the fitted description. `normalise`: standard (mean 0, deviation 1), unit ([0,1]) or none.
// A missing number becomes the training mean and, if the training rows miss some, its indicator is 1; a category becomes one-hot over the
// values seen in training (all 0 for others). Throws DataError for a category of more than 256 values: that is text, not a category.
nlohmann::json fit_table(const Tensor& raw, const nlohmann::json& table, const std::string& normalise, const std::string& name);

// Encodes raw rows described by `raw_table` with a fitted description. [n, columns] float64 -> [n, d] float32.
Tensor encode_table(const Tensor& raw, const nlohmann::json& raw_table, const nlohmann::json& fitted);
int64_t table_width(const nlohmann::json& fitted);  // d
// Whether a description read from a file is whole and of this width. Throws DataError, beginning with `where`.
void check_table(const nlohmann::json& fitted, int64_t expected_width, const std::string& where);
std::vector<std::string> table_features(const nlohmann::json& fitted);  // names of the d encoded columns: "age", "sex=Male", "age missing"

// New rows, encoded as the training rows were: [n, d] float32. `names`: of the fields, matched with the columns' names; empty: the fields stand
// as in the training file, with or without the label. Throws DataError (where, row, column, expected, found).
Tensor prepare_table_rows(const std::vector<std::vector<std::string>>& rows, const std::vector<std::string>& names, const InputSpec& spec,
                          const std::string& where);
// The same from a CSV or TSV file; its first line is taken for names when it holds those of the columns.
Tensor read_table_rows(const std::string& path, const InputSpec& spec);

}  // namespace retort

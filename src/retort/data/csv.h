// Comma-separated (or tab-, semicolon-separated) text, RFC 4180: quoted fields may hold separators, line ends and doubled quotes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace retort {

struct CsvText {
  std::vector<std::vector<std::string>> rows;  // all of the same length; blanks around unquoted fields are dropped
  std::vector<int64_t> lines;                  // the line (from 1) each row starts at
};

// `separator` 0: tab when the first line has one, else semicolon when it has one and no comma, else comma. Blank lines are passed over.
// Throws DataError (name:line, expected, found): a row of another length, a quote without end, text after a closing quote, a zero byte.
CsvText parse_csv(std::string_view text, const std::string& name, char separator = 0);

// The number that a whole cell spells, or nothing; it must be finite as a float32.
std::optional<double> as_number(const std::string& cell);
// Column names that are all different: a second "score" becomes "score.2".
std::vector<std::string> distinct_names(std::vector<std::string> names);

}  // namespace retort

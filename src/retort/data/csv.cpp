#include "retort/data/csv.h"

#include <charconv>

#include "retort/base/error.h"

namespace retort {

namespace {

char guess_separator(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  if (line.find('\t') != line.npos) return '\t';
  return line.find(';') != line.npos && line.find(',') == line.npos ? ';' : ',';
}

// Reads field after field; knows the line it stands at.
class Fields {
 public:
  Fields(std::string_view text, const std::string& name, char separator) : text_(text), name_(name), separator_(separator) {}
  bool done() const { return at_ >= text_.size(); }
  int64_t line() const { return line_; }

  // True when the field was the last of its line; the line end is taken too.
  bool read(std::string& field) {
    field.clear();
    skip_blanks();
    if (!done() && text_[at_] == '"')
      quoted(field);
    else
      plain(field);
    if (done()) return true;
    if (text_[at_] == separator_) return ++at_, false;
    if (text_[at_] == '\r') ++at_;
    if (!done() && text_[at_] == '\n') ++at_;
    ++line_;
    return true;
  }

 private:
  bool blank(char c) const { return (c == ' ' || c == '\t') && c != separator_; }
  bool ends_field(char c) const { return c == separator_ || c == '\n' || c == '\r'; }
  void skip_blanks() {
    while (!done() && blank(text_[at_])) ++at_;
  }
  void plain(std::string& field) {
    const size_t begin = at_;
    while (!done() && !ends_field(text_[at_])) {
      if (text_[at_] == '\0')
        throw DataError(fmt::format("{}:{}: a zero byte, expected text", name_, line_), "is this a table? expected CSV or TSV");
      ++at_;
    }
    size_t end = at_;
    while (end > begin && blank(text_[end - 1])) --end;
    field = text_.substr(begin, end - begin);
  }
  void quoted(std::string& field) {
    const int64_t opened = line_;
    for (++at_;; ++at_) {
      if (done())
        throw DataError(fmt::format("{}:{}: a quote opens and never closes", name_, opened),
                        "close it, or double quotes that belong to the text");
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      if (text_[at_] == '\n') ++line_;
      field += text_[at_];
    }
    ++at_;
    skip_blanks();
    if (!done() && !ends_field(text_[at_]))
      throw DataError(fmt::format("{}:{}: text after a closing quote: '{}'", name_, line_, text_[at_]),
                      "double quotes that belong to the text");
  }

  std::string_view text_;
  const std::string& name_;
  char separator_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

CsvText parse_csv(std::string_view text, const std::string& name, char separator) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (!separator) separator = guess_separator(text);
  CsvText csv;
  Fields fields(text, name, separator);
  std::string field;
  while (!fields.done()) {
    const int64_t line = fields.line();
    std::vector<std::string> row;
    if (!csv.rows.empty()) row.reserve(csv.rows[0].size());
    bool last = false;
    while (!last) {
      last = fields.read(field);
      row.push_back(field);
    }
    if (row.size() == 1 && row[0].empty()) continue;
    if (!csv.rows.empty() && row.size() != csv.rows[0].size())
      throw DataError(fmt::format("{}:{}: {} fields, expected {} as in line {}", name, line, row.size(), csv.rows[0].size(), csv.lines[0]),
                      "quote fields that hold the separator; every row needs the same number of fields");
    csv.rows.push_back(std::move(row));
    csv.lines.push_back(line);
  }
  if (csv.rows.empty()) throw DataError(name + ": no rows in the table", "expected CSV or TSV text");
  return csv;
}

std::optional<double> as_number(const std::string& cell) {
  const char *begin = cell.data(), *end = begin + cell.size();
  if (cell.size() > 1 && *begin == '+' && begin[1] != '-') ++begin;
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end || !(std::abs(value) <= std::numeric_limits<float>::max())) return {};
  return value;
}

std::vector<std::string> distinct_names(std::vector<std::string> names) {
  std::map<std::string, int> count;
  for (auto& name : names)
    if (const int n = ++count[name]; n > 1) name += "." + std::to_string(n);
  return names;
}

}  // namespace retort

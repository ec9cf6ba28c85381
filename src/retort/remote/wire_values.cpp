#include "retort/remote/wire_values.h"

#include <charconv>
#include <cmath>

#include "retort/remote/asker.h"

namespace retort {

const nlohmann::json& entry_of(const nlohmann::json& value, const char* name) {
  static const nlohmann::json nothing;
  if (!value.is_object()) return nothing;
  const auto found = value.find(name);
  return found == value.end() ? nothing : *found;
}

std::string text_of(const nlohmann::json& value, const char* name) {
  const nlohmann::json& entry = entry_of(value, name);
  if (entry.is_null()) return {};
  if (!entry.is_string()) throw BrokenReply(fmt::format("a reply whose \"{}\" is no text", name));
  return entry.get<std::string>();
}

double number_of(const nlohmann::json& value, const std::string& what) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!std::isfinite(number)) throw BrokenReply(fmt::format("{} that is no finite number", what));
  return number;
}

int64_t count_of(const nlohmann::json& value, const char* name, int64_t otherwise) {
  const nlohmann::json& entry = entry_of(value, name);
  return entry.is_number_integer() && entry.get<int64_t>() >= 0 ? entry.get<int64_t>() : otherwise;
}

std::vector<std::vector<float>> rows_of(const nlohmann::json& value, const std::string& what) {
  if (!value.is_array()) throw BrokenReply(fmt::format("{} that are no list", what));
  std::vector<std::vector<float>> rows;
  rows.reserve(value.size());
  for (const auto& line : value) {
    if (!line.is_array() || line.empty()) throw BrokenReply(fmt::format("{}: entry {} is no list of numbers", what, rows.size()));
    std::vector<float> row;
    row.reserve(line.size());
    for (const auto& number : line) {
      row.push_back(static_cast<float>(number_of(number, fmt::format("{}: a value in entry {}", what, rows.size()))));
      if (!std::isfinite(row.back())) throw BrokenReply(fmt::format("{}: a value in entry {} beyond all bounds", what, rows.size()));
    }
    if (!rows.empty() && row.size() != rows.front().size()) {
      throw BrokenReply(
          fmt::format("{} of different lengths: {} values in entry 0, {} in entry {}", what, rows.front().size(), row.size(), rows.size()));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double shortest(float value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  double number = value;
  std::from_chars(text, written.ptr, number);
  return number;
}

nlohmann::json shortest_rows(const std::vector<std::vector<float>>& rows) {
  nlohmann::json all = nlohmann::json::array();
  for (const auto& row : rows) {
    nlohmann::json line = nlohmann::json::array();
    for (const float value : row) line.push_back(shortest(value));
    all.push_back(std::move(line));
  }
  return all;
}

std::string as_utf8(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 128; })) return text;
  return nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).get<std::string>();
}

}  // namespace retort

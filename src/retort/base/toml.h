// TOML files as plain values: what a recipe is made of. toml++ is seen by toml.cpp alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort {

// Tables keep the order of the file. Dates and times become texts.
using TomlValue = nlohmann::ordered_json;

struct TomlFile {
  TomlValue values = TomlValue::object();
  std::map<std::string, int64_t> lines;  // by path, "train.stages[0].lr"
};

TomlFile parse_toml(const std::string& text, const std::string& name);  // throws ConfigError "name:line: …"
std::string toml_text(const TomlValue& value);                          // one line: a literal, a list, an inline table
std::string toml_lines(const TomlValue& table);                         // the entries of a table, "key = value" a line

// Paths: "train.stages[0].lr"; a key that is not made of letters, digits, _ and - stands in double quotes.
struct PathStep {
  std::string key;
  int64_t index = -1;  // of an array entry, "[i]"
};
std::string join_path(const std::string& path, const std::string& key);
std::string join_path(const std::string& path, const PathStep& step);
std::string join_path(const std::vector<PathStep>& steps);
std::string entry_path(const std::string& path, size_t index);
std::vector<PathStep> split_path(const std::string& path);                   // throws ConfigError for what is no path
const TomlValue* find_path(const TomlValue& root, const std::string& path);  // null when it is not there

}  // namespace retort

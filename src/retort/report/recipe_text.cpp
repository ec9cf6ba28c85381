#include "retort/report/recipe_text.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/toml.h"
#include "retort/report/html.h"

namespace retort::report {
namespace {

using Flat = std::map<std::string, std::string>;

void flatten(const TomlValue& value, const std::string& path, Flat& out) {
  if (!value.is_object()) {
    out[path] = toml_text(value);
    return;
  }
  for (const auto& [key, entry] : value.items()) flatten(entry, join_path(path, key), out);
}

Flat flat(const std::string& recipe) {
  Flat out;
  try {
    flatten(parse_toml(recipe, "recipe.toml").values, "", out);
  } catch (const ConfigError&) {
    out.clear();  // the text itself is on the page
  }
  return out;
}

}  // namespace

std::string coloured_toml(const std::string& toml) {
  std::istringstream lines(toml);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find_first_not_of(" \t"), equals = line.find('=');
    if (first == std::string::npos) {
    } else if (line[first] == '#') {
      out += fmt::format("<span class=\"comment\">{}</span>", escape(line));
    } else if (line[first] == '[') {
      out += fmt::format("<span class=\"section\">{}</span>", escape(line));
    } else if (equals != std::string::npos && line.find_first_of("\"'") > equals) {
      out += fmt::format("<span class=\"key\">{}</span>{}", escape(line.substr(0, equals)), escape(line.substr(equals)));
    } else {
      out += escape(line);
    }
    out += '\n';
  }
  return out;
}

std::vector<Difference> differing_keys(const std::vector<std::string>& recipes) {
  std::vector<Flat> all;
  std::set<std::string> keys;
  for (const std::string& recipe : recipes) {
    all.push_back(flat(recipe));
    for (const auto& entry : all.back()) keys.insert(entry.first);
  }
  keys.erase("name");
  keys.erase("run.dir");
  std::vector<Difference> differences;
  for (const std::string& key : keys) {
    Difference difference{key, {}};
    for (const Flat& recipe : all) difference.values.push_back(recipe.count(key) > 0 ? recipe.at(key) : "");
    const bool same = std::all_of(difference.values.begin(), difference.values.end(),
                                  [&](const std::string& value) { return value == difference.values[0]; });
    if (!same) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace retort::report

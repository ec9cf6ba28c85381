// Inside of a recipe: shared by recipe.cpp (its content) and recipe_read.cpp (what was read of it).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "retort/base/recipe.h"
#include "retort/base/toml.h"

namespace retort {

// What one read of a section took: the values of its knobs, in the order of their declaration.
struct ReadSection {
  std::string path;
  std::vector<std::pair<std::string, std::string>> values;  // knob, TOML text
};

struct Recipe::Body {
  std::string name;
  TomlValue root = TomlValue::object();
  std::map<std::string, std::string> places;  // by path: "recipes/a.toml:12", "--set a.b=c"
  std::map<std::string, int64_t> order;       // by path: the line in the file; assignments have none
  std::map<std::string, std::string> raw;     // by path: the text that an assignment gave
  std::vector<ReadSection> sections;
  std::set<std::string> taken;  // tables handed out whole, by take()

  ReadSection& section(const std::string& path);
  void assign(const std::string& path, const TomlValue& value, const std::string& where);
  void forget(const std::string& path);  // where a value, and all in it, came from
  void name_method(const TomlValue& value, const std::string& where);
  std::string where(const std::string& path) const;
  bool was_read(const std::string& path, const std::string& key) const;
  bool leads_somewhere(const std::string& path) const;
  void find_unread(const TomlValue& table, const std::string& path, std::vector<std::string>& unread) const;
};

bool is_at_or_below(const std::string& path, const std::string& top);

}  // namespace retort

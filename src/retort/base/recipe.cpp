// How a recipe comes to its content: the file, assignments over it, questions about it. recipe_read.cpp hands it out.
#include "retort/base/recipe.h"

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/recipe_body.h"

namespace retort {

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path.compare(0, top.size(), top) == 0 && (path.size() == top.size() || path[top.size()] == '.' || path[top.size()] == '[');
}

ReadSection& Recipe::Body::section(const std::string& path) {
  for (ReadSection& known : sections)
    if (known.path == path) return known;
  return sections.emplace_back(ReadSection{path, {}});
}

std::string Recipe::Body::where(const std::string& path) const {
  auto place = places.find(path);
  return place != places.end() ? place->second : name;
}

// Sets one value; tables on the way are made, entries of arrays must be there already. Tables are merged key by key.
void Recipe::Body::assign(const std::string& path, const TomlValue& value, const std::string& where) {
  if (value.is_object() && !value.empty()) {
    for (auto& [key, entry] : value.items()) assign(join_path(path, key), entry, where);
    return;
  }
  if (path == "method") name_method(value, where);
  TomlValue* node = &root;
  std::string reached;
  for (const PathStep& step : split_path(path)) {
    if (step.index >= 0) {
      if (!node->is_array() || size_t(step.index) >= node->size())
        throw ConfigError(fmt::format("{}: {} is not there: {} has {} entries", where, entry_path(reached, size_t(step.index)), reached,
                                      node->is_array() ? node->size() : 0),
                          "entries are counted from 0; add them in the recipe");
      reached = entry_path(reached, size_t(step.index));
      node = &(*node)[size_t(step.index)];
    } else {
      if (node->is_null()) *node = TomlValue::object();
      if (!node->is_object())
        throw ConfigError(fmt::format("{}: {} is a value, not a table that could hold {}", where, reached, step.key),
                          "it was set at " + this->where(reached));
      reached = join_path(reached, step.key);
      node = &(*node)[step.key];
    }
    places.emplace(reached, where);  // of tables that the assignment makes
  }
  if (value.is_object() && node->is_object()) return;  // an empty table changes nothing in one that is there
  *node = value;
  forget(path);
  places[path] = where;
}

void Recipe::Body::forget(const std::string& path) {
  auto drop = [&](auto& map) {
    for (auto at = map.begin(); at != map.end();) at = is_at_or_below(at->first, path) ? map.erase(at) : std::next(at);
  };
  drop(places), drop(order), drop(raw);
}

void Recipe::Body::name_method(const TomlValue& value, const std::string& where) {
  auto current = root.find("method");
  if (current != root.end() && *current == value) return;
  root.erase("knobs");
  forget("knobs");
}

Recipe::Recipe() : body_(std::make_unique<Body>()) {}
Recipe::Recipe(const Recipe& other) : body_(std::make_unique<Body>(*other.body_)) {}
Recipe& Recipe::operator=(const Recipe& other) {
  body_ = std::make_unique<Body>(*other.body_);
  return *this;
}
Recipe::Recipe(Recipe&&) noexcept = default;
Recipe& Recipe::operator=(Recipe&&) noexcept = default;
Recipe::~Recipe() = default;

Recipe Recipe::load(const std::string& path, const std::vector<std::string>& sets) {
  std::string text;
  try {
    text = read_file(path);
  } catch (const DataError& error) {
    throw ConfigError(error.what(), "recipes lie in recipes/; `retort methods` lists what they can name");
  }
  return parse(text, path, sets);
}

Recipe Recipe::parse(const std::string& toml, const std::string& name, const std::vector<std::string>& sets) {
  TomlFile file = parse_toml(toml, name);
  Recipe recipe;
  recipe.body_->name = name;
  recipe.body_->root = std::move(file.values);
  for (auto& [path, line] : file.lines) recipe.body_->places[path] = fmt::format("{}:{}", name, line);
  recipe.body_->order = std::move(file.lines);
  // A method comes first, wherever it stands: it drops [knobs], and must not drop those that are set beside it.
  auto names_method = [](const std::string& set) { return set.rfind("method", 0) == 0 && set.find_first_not_of(" ", 6) == set.find('='); };
  for (bool first : {true, false})
    for (const std::string& set : sets)
      if (names_method(set) == first) recipe.set(set);
  return recipe;
}

void Recipe::set(const std::string& assignment) {
  auto trimmed = [](const std::string& text) {
    const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
  };
  const size_t equals = assignment.find('=');
  const std::string written = trimmed(assignment.substr(0, equals));
  if (equals == std::string::npos || written.empty())
    throw ConfigError(fmt::format("--set {}: not an assignment", to_toml(assignment)), "write it like --set train.epochs=5");
  const std::string path = join_path(split_path(written)), text = trimmed(assignment.substr(equals + 1));
  const bool plain = text.size() <= 60 && std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c); });
  const std::string where = "--set " + path + (plain ? "=" + text : "");
  TomlValue value;
  try {
    const TomlFile file = parse_toml("value = " + text, where);
    value = file.values.size() == 1 ? file.values["value"] : TomlValue(text);
  } catch (const ConfigError&) {
    value = text;  // plain words need no quotes
  }
  try {
    toml_text(value);
    parse_toml("value = " + to_toml(text), where);
  } catch (const ConfigError&) {
    throw ConfigError(fmt::format("--set {}: the value is not UTF-8 text", path), "save the terminal's or script's text as UTF-8");
  }
  body_->assign(path, value, where);
  if (!value.is_structured()) body_->raw[path] = text;
}

void Recipe::set_table(const std::string& toml, const std::string& where) {
  TomlValue table;
  try {
    table = parse_toml(toml, where).values;
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: not a table of recipe keys: {}", where, error.what()), error.hint());
  }
  if (auto method = table.find("method"); method != table.end()) body_->assign("method", *method, where);
  body_->assign("", table, where);
}

std::string Recipe::where(const std::string& dotted) const { return body_->where(dotted); }
const std::string& Recipe::name() const { return body_->name; }

bool Recipe::has(const std::string& dotted) const { return find_path(body_->root, dotted) != nullptr; }

std::vector<std::string> Recipe::tables(const std::string& dotted) const {
  std::vector<std::string> names;
  const TomlValue* table = find_path(body_->root, dotted);
  if (table && table->is_object())
    for (auto& [key, value] : table->items())
      if (value.is_object()) names.push_back(key);
  return names;
}

int64_t Recipe::array_size(const std::string& dotted) const {
  const TomlValue* list = find_path(body_->root, dotted);
  return list && list->is_array() ? int64_t(list->size()) : 0;
}

std::string Recipe::take(const std::string& dotted) {
  const TomlValue* table = find_path(body_->root, dotted);
  body_->taken.insert(dotted);
  if (!table) return {};
  if (!table->is_object())
    throw ConfigError(fmt::format("{}: {}: expected a table, received {}", where(dotted), dotted, toml_text(*table)));
  return toml_lines(*table);
}

// Sorted by key, numbers by value (4 and 4.0 are the same), so that order, comments and spelling do not matter.
static std::string canonical(const TomlValue& value) {
  if (value.is_object()) {
    std::map<std::string, std::string> sorted;
    for (auto& [key, entry] : value.items()) sorted[to_toml(key)] = canonical(entry);
    std::string out = "{";
    for (auto& [key, entry] : sorted) out += key + "=" + entry + ";";
    return out + "}";
  }
  if (value.is_array()) {
    std::string out = "[";
    for (const TomlValue& entry : value) out += canonical(entry) + ";";
    return out + "]";
  }
  return value.is_number_float() ? fmt::format("{}", value.get<double>()) : toml_text(value);
}

std::string Recipe::digest() const { return hex_digest(canonical(body_->root)); }

}  // namespace retort

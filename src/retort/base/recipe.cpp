#include "retort/base/recipe.h"

#include <filesystem>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
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
  std::map<std::string, std::string> places;    // by path: "recipes/a.toml:12", "--set a.b=c"
  std::map<std::string, int64_t> order;         // by path: the line in the file; assignments have none
  std::map<std::string, std::string> raw;       // by path: the text that an assignment gave
  std::vector<ReadSection> sections;
  std::set<std::string> taken;                  // tables handed out whole, by take()

  ReadSection& section(const std::string& path);
  void assign(const std::string& path, const TomlValue& value, const std::string& where);
  void forget(const std::string& path);  // where a value, and all in it, came from
  void name_method(const TomlValue& value, const std::string& where);
  std::string where(const std::string& path) const;
  bool was_read(const std::string& path, const std::string& key) const;
  bool leads_somewhere(const std::string& path) const;
  void find_unread(const TomlValue& table, const std::string& path, std::vector<std::string>& unread) const;
};

static bool is_at_or_below(const std::string& path, const std::string& top) {
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
                                      node->is_array() ? node->size() : 0), "entries are counted from 0; add them in the recipe");
      reached = entry_path(reached, size_t(step.index));
      node = &(*node)[size_t(step.index)];
    } else {
      if (node->is_null()) *node = TomlValue::object();
      if (!node->is_object()) throw ConfigError(fmt::format("{}: {} is a value, not a table that could hold {}", where, reached, step.key), "it was set at " + this->where(reached));
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
  *body_ = *other.body_;
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
  const std::string where = "--set " + assignment;
  const size_t equals = assignment.find('=');
  const std::string path = trimmed(assignment.substr(0, equals));
  if (equals == std::string::npos || path.empty()) throw ConfigError(fmt::format("{}: not an assignment", where), "write it like --set train.epochs=5");
  const std::string text = trimmed(assignment.substr(equals + 1));
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
    throw ConfigError(fmt::format("--set {}: the value is not UTF-8 text", path));
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
  if (!table->is_object()) throw ConfigError(fmt::format("{}: {}: expected a table, received {}", where(dotted), dotted, toml_text(*table)));
  return toml_lines(*table);
}

namespace {

// The value as the knob's alternative, or nothing when the types differ. Whole numbers are numbers; an empty list is any list.
std::optional<KnobValue> fitted(const TomlValue& value, const KnobValue& like) {
  return std::visit(
      [&](const auto& example) -> std::optional<KnobValue> {
        using T = std::decay_t<decltype(example)>;
        if constexpr (std::is_same_v<T, bool>) {
          if (value.is_boolean()) return value.get<bool>();
        } else if constexpr (std::is_same_v<T, int64_t>) {
          if (value.is_number_integer()) return value.get<int64_t>();
        } else if constexpr (std::is_same_v<T, double>) {
          if (value.is_number()) return value.get<double>();
        } else if constexpr (std::is_same_v<T, std::string>) {
          if (value.is_string()) return value.get<std::string>();
        } else if (value.is_array()) {
          T list;
          for (const TomlValue& entry : value) {
            auto one = fitted(entry, KnobValue(typename T::value_type{}));
            if (!one) return std::nullopt;
            list.push_back(std::get<typename T::value_type>(*one));
          }
          return list;
        }
        return std::nullopt;
      },
      like);
}

bool is_finite(const KnobValue& value) {
  if (auto* number = std::get_if<double>(&value)) return std::isfinite(*number);
  if (auto* list = std::get_if<std::vector<double>>(&value)) return std::all_of(list->begin(), list->end(), [](double x) { return std::isfinite(x); });
  return true;
}

std::string expectation(const Knob& knob) {
  if (!knob.range.choices.empty()) return knob.range.text;
  const std::string type = type_name(knob.initial);
  return (type == "text" || type == "true or false" ? type : "a " + type) + (knob.range.text.empty() ? "" : " " + knob.range.text);
}

std::string hint_of(const Knob& knob, const TomlValue& received) {
  const auto* words = &knob.range.choices;
  if (received.is_string() && !words->empty())
    if (std::string near = nearest_name(received.get<std::string>(), *words); !near.empty()) return fmt::format("did you mean \"{}\"?", near);
  return fmt::format("{}: {} (default {})", knob.name, knob.help, to_toml(knob.initial));
}

std::string shortened(std::string text) { return text.size() > 60 ? text.substr(0, 57) + "..." : text; }

}  // namespace

void Recipe::read(const std::string& dotted, Knobs& knobs) {
  const TomlValue* table = find_path(body_->root, dotted);
  if (table && !table->is_object())
    throw ConfigError(fmt::format("{}: {}: expected a table, received {}", where(dotted), dotted, shortened(toml_text(*table))),
                      fmt::format("write its keys under [{}]", dotted));
  ReadSection& section = body_->section(dotted);
  for (const Knob& knob : knobs.all()) {
    const std::string path = join_path(dotted, knob.name);
    if (table && table->contains(knob.name)) {
      const TomlValue& given = table->at(knob.name);
      auto value = fitted(given, knob.initial);
      if (auto text = body_->raw.find(path); !value && text != body_->raw.end()) value = fitted(TomlValue(text->second), knob.initial);
      if (!value || !is_finite(*value) || (knob.range.accepts && !knob.range.accepts(*value)))
        throw ConfigError(fmt::format("{}: {}: expected {}, received {}", where(path), path, expectation(knob), shortened(toml_text(given))), hint_of(knob, given));
      knob.set(*value);
    }
    auto known = std::find_if(section.values.begin(), section.values.end(), [&](auto& entry) { return entry.first == knob.name; });
    if (known == section.values.end()) known = section.values.insert(known, {knob.name, ""});
    known->second = to_toml(knob.get());
  }
}

bool Recipe::Body::was_read(const std::string& path, const std::string& key) const {
  for (const ReadSection& section : sections)
    if (section.path == path)
      for (auto& entry : section.values)
        if (entry.first == key) return true;
  return false;
}

// Whether the path is a section that was read, or holds one.
bool Recipe::Body::leads_somewhere(const std::string& path) const {
  auto below = [&](const std::string& other) { return is_at_or_below(other, path); };
  return std::any_of(sections.begin(), sections.end(), [&](auto& section) { return below(section.path); }) || std::any_of(taken.begin(), taken.end(), below);
}

void Recipe::Body::find_unread(const TomlValue& table, const std::string& path, std::vector<std::string>& unread) const {
  for (auto& [key, value] : table.items()) {
    const std::string below = join_path(path, key);
    if (taken.count(below) || was_read(path, key)) continue;
    const bool tables = value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), [](auto& entry) { return entry.is_object(); });
    if ((value.is_object() || tables) && !leads_somewhere(below)) {
      unread.push_back(below);
    } else if (value.is_object()) {
      find_unread(value, below, unread);
    } else if (tables) {
      for (size_t i = 0; i < value.size(); ++i) {
        if (leads_somewhere(entry_path(below, i))) find_unread(value[i], entry_path(below, i), unread);
        else unread.push_back(entry_path(below, i));
      }
    } else {
      unread.push_back(below);
    }
  }
}

void Recipe::finish() const {
  std::vector<std::string> unread;
  if (!body_->taken.count("")) body_->find_unread(body_->root, "", unread);
  if (unread.empty()) return;
  // The first in the file; assignments come after it.
  auto line = [&](const std::string& path) {
    auto at = body_->order.find(path);
    return at == body_->order.end() ? INT64_MAX : at->second;
  };
  const std::string path = *std::min_element(unread.begin(), unread.end(), [&](auto& a, auto& b) { return line(a) < line(b); });

  const size_t dot = path.rfind('.');
  const std::string parent = dot == std::string::npos ? "" : path.substr(0, dot), key = dot == std::string::npos ? path : path.substr(dot + 1);
  std::vector<std::string> here, everywhere;
  std::string homes;
  for (const ReadSection& section : body_->sections) {
    for (auto& [name, value] : section.values) {
      (section.path == parent ? here : everywhere).push_back(section.path == parent ? name : join_path(section.path, name));
      if (section.path != parent && name == key) homes += (homes.empty() ? "" : ", ") + (section.path.empty() ? name : section.path + "." + name);
    }
    const std::string start = parent.empty() ? "" : parent + ".";
    if (section.path.size() > start.size() && section.path.compare(0, start.size(), start) == 0) {
      const std::string rest = section.path.substr(start.size());
      here.push_back(rest.substr(0, rest.find_first_of(".[")));
    }
  }
  std::string hint;
  if (std::string near = nearest_name(key, here); !near.empty()) hint = fmt::format("did you mean {}?", parent.empty() ? near : parent + "." + near);
  else if (!homes.empty()) hint = fmt::format("{} is known as {}", key, homes);
  else if (near = nearest_name(path, everywhere); !near.empty()) hint = fmt::format("did you mean {}?", near);
  else if (!here.empty()) hint = fmt::format("known here: {}", fmt::join(std::set<std::string>(here.begin(), here.end()), ", "));
  else hint = "remove it, or check the method that reads it with `retort methods`";
  const TomlValue* node = find_path(body_->root, path);
  const bool is_table = node && node->is_structured() && (node->is_object() || (!node->empty() && node->front().is_object()));
  throw ConfigError(fmt::format("{}: {}: unknown {}", body_->where(path), path, is_table ? "table" : "key"), hint);
}

std::string Recipe::where(const std::string& dotted) const { return body_->where(dotted); }
const std::string& Recipe::name() const { return body_->name; }

void Recipe::note(const std::string& dotted, const KnobValue& value) {
  for (ReadSection& section : body_->sections)
    for (auto& [name, text] : section.values)
      if (join_path(section.path, name) == dotted) text = to_toml(value);
}

std::string Recipe::resolved(const std::set<std::string>& except) const {
  // Parents before their parts, entries of an array in a row: what TOML asks for.
  std::vector<const ReadSection*> ordered;
  auto rank = [&](const std::string& path) {
    std::vector<std::pair<size_t, int64_t>> ranks;
    std::string reached;
    for (const PathStep& step : split_path(path)) {
      reached = step.index >= 0 ? entry_path(reached, size_t(step.index)) : join_path(reached, step.key);
      size_t first = 0;  // a step stands where it was first met
      while (first < body_->sections.size() && body_->sections[first].path.compare(0, reached.size(), reached) != 0) ++first;
      ranks.emplace_back(step.index >= 0 ? 0 : first + 1, step.index);
    }
    return ranks;
  };
  for (const ReadSection& section : body_->sections) ordered.push_back(&section);
  std::stable_sort(ordered.begin(), ordered.end(), [&](auto* a, auto* b) { return rank(a->path) < rank(b->path); });

  std::string out;
  for (const ReadSection* section : ordered) {
    std::string header;
    bool entry = false;
    for (const PathStep& step : split_path(section->path)) {
      entry = step.index >= 0;
      if (!entry) header = join_path(header, step.key);
    }
    // An array that the recipe leaves out stays out: its defaults are its reader's business.
    if (entry && !has(section->path)) continue;
    if (!header.empty()) out += fmt::format("{}{}\n", out.empty() ? "" : "\n", entry ? "[[" + header + "]]" : "[" + header + "]");
    for (auto& [name, text] : section->values)
      if (!except.count(join_path(section->path, name))) out += join_path("", name) + " = " + text + "\n";
  }
  for (const std::string& path : body_->taken)
    if (const TomlValue* table = find_path(body_->root, path))
      out += path.empty() ? toml_lines(*table) : fmt::format("\n[{}]\n{}", path, toml_lines(*table));
  return out;
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

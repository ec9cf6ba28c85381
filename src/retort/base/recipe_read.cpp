// Sections of a recipe are read into knobs; what nobody reads is found; what was read can be written out again.
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/recipe_body.h"

namespace retort {

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
  if (auto* list = std::get_if<std::vector<double>>(&value))
    return std::all_of(list->begin(), list->end(), [](double x) { return std::isfinite(x); });
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
    if (std::string near = nearest_name(received.get<std::string>(), *words); !near.empty())
      return fmt::format("did you mean \"{}\"?", near);
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
        throw ConfigError(
            fmt::format("{}: {}: expected {}, received {}", where(path), path, expectation(knob), shortened(toml_text(given))),
            hint_of(knob, given));
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
  return std::any_of(sections.begin(), sections.end(), [&](auto& section) { return below(section.path); }) ||
         std::any_of(taken.begin(), taken.end(), below);
}

void Recipe::Body::find_unread(const TomlValue& table, const std::string& path, std::vector<std::string>& unread) const {
  for (auto& [key, value] : table.items()) {
    const std::string below = join_path(path, key);
    if (taken.count(below) || was_read(path, key)) continue;
    const bool tables = value.is_array() && !value.empty() &&
                        std::all_of(value.begin(), value.end(), [](auto& entry) { return entry.is_object(); });
    if ((value.is_object() || tables) && !leads_somewhere(below)) {
      unread.push_back(below);
    } else if (value.is_object()) {
      find_unread(value, below, unread);
    } else if (tables) {
      for (size_t i = 0; i < value.size(); ++i) {
        if (leads_somewhere(entry_path(below, i)))
          find_unread(value[i], entry_path(below, i), unread);
        else
          unread.push_back(entry_path(below, i));
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
  const std::string parent = dot == std::string::npos ? "" : path.substr(0, dot),
                    key = dot == std::string::npos ? path : path.substr(dot + 1);
  std::vector<std::string> here, everywhere;
  std::string homes;
  for (const ReadSection& section : body_->sections) {
    for (auto& [name, value] : section.values) {
      (section.path == parent ? here : everywhere).push_back(section.path == parent ? name : join_path(section.path, name));
      if (section.path != parent && name == key)
        homes += (homes.empty() ? "" : ", ") + (section.path.empty() ? name : section.path + "." + name);
    }
    const std::string start = parent.empty() ? "" : parent + ".";
    if (section.path.size() > start.size() && section.path.compare(0, start.size(), start) == 0) {
      const std::string rest = section.path.substr(start.size());
      here.push_back(rest.substr(0, rest.find_first_of(".[")));
    }
  }
  std::string hint;
  if (std::string near = nearest_name(key, here); !near.empty())
    hint = fmt::format("did you mean {}?", parent.empty() ? near : parent + "." + near);
  else if (!homes.empty())
    hint = fmt::format("{} is known as {}", key, homes);
  else if (near = nearest_name(path, everywhere); !near.empty())
    hint = fmt::format("did you mean {}?", near);
  else if (!here.empty())
    hint = fmt::format("known here: {}", fmt::join(std::set<std::string>(here.begin(), here.end()), ", "));
  else
    hint = "remove it, or check the method that reads it with `retort methods`";
  const TomlValue* node = find_path(body_->root, path);
  const bool is_table = node && node->is_structured() && (node->is_object() || (!node->empty() && node->front().is_object()));
  throw ConfigError(fmt::format("{}: {}: unknown {}", body_->where(path), path, is_table ? "table" : "key"), hint);
}

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
      reached = join_path(reached, step);
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
    std::string header, reached, owner;  // owner: the entry of an array that the section is, or is a part of
    bool entry = false;
    for (const PathStep& step : split_path(section->path)) {
      reached = join_path(reached, step);
      entry = step.index >= 0;
      if (entry)
        owner = reached;
      else
        header = join_path(header, step.key);
    }
    if (!owner.empty() && !has(owner)) continue;  // an entry that the recipe does not have is not made up
    if (!header.empty()) out += fmt::format("{}{}\n", out.empty() ? "" : "\n", entry ? "[[" + header + "]]" : "[" + header + "]");
    for (auto& [name, text] : section->values)
      if (!except.count(join_path(section->path, name))) out += join_path("", name) + " = " + text + "\n";
  }
  for (const std::string& path : body_->taken)
    if (const TomlValue* table = find_path(body_->root, path); table && !path.empty())
      out += fmt::format("\n[{}]\n{}", path, toml_lines(*table));
  return out;
}

}  // namespace retort

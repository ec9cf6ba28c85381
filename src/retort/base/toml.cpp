#include "retort/base/toml.h"

#include <numeric>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "retort/base/error.h"
#include "retort/base/knobs.h"

namespace retort {

namespace {

bool is_bare(const std::string& key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

TomlValue convert(const toml::node& node, const std::string& path, TomlFile& file) {
  if (auto line = node.source().begin.line; line > 0) file.lines[path] = int64_t(line);
  switch (node.type()) {
    case toml::node_type::table: {
      // toml++ sorts keys; the source positions tell the order they were written in.
      std::vector<std::pair<const toml::key*, const toml::node*>> entries;
      for (auto&& [key, value] : *node.as_table()) entries.emplace_back(&key, &value);
      std::stable_sort(entries.begin(), entries.end(), [](auto& a, auto& b) {
        const auto x = a.first->source().begin, y = b.first->source().begin;
        return std::tie(x.line, x.column) < std::tie(y.line, y.column);
      });
      TomlValue table = TomlValue::object();
      for (auto& [key, value] : entries) {
        const std::string below = join_path(path, std::string(key->str()));
        table[std::string(key->str())] = convert(*value, below, file);
        if (!file.lines.count(below)) file.lines[below] = int64_t(key->source().begin.line);
      }
      return table;
    }
    case toml::node_type::array: {
      TomlValue list = TomlValue::array();
      for (const toml::node& entry : *node.as_array()) list.push_back(convert(entry, entry_path(path, list.size()), file));
      return list;
    }
    case toml::node_type::boolean: return node.as_boolean()->get();
    case toml::node_type::integer: return node.as_integer()->get();
    case toml::node_type::floating_point: return node.as_floating_point()->get();
    case toml::node_type::string: return node.as_string()->get();
    default: {
      std::ostringstream text;
      node.visit([&](auto&& value) {
        if constexpr (toml::is_value<decltype(value)>) text << *value;
      });
      return text.str();
    }
  }
}

}  // namespace

TomlFile parse_toml(const std::string& text, const std::string& name) {
  try {
    const toml::table table = toml::parse(text, name);
    TomlFile file;
    file.values = convert(table, "", file);
    return file;
  } catch (const toml::parse_error& error) {
    std::string why(error.description());
    if (auto end = why.find('\n'); end != std::string::npos) why.resize(end);
    throw ConfigError(fmt::format("{}:{}: not valid TOML: {}", name, error.source().begin.line, why), "texts stand in quotes: name = \"value\"");
  }
}

std::string toml_text(const TomlValue& value) {
  switch (value.type()) {
    case TomlValue::value_t::boolean: return to_toml(value.get<bool>());
    case TomlValue::value_t::number_integer:
    case TomlValue::value_t::number_unsigned: return to_toml(value.get<int64_t>());
    case TomlValue::value_t::number_float: return to_toml(value.get<double>());
    case TomlValue::value_t::string: return to_toml(value.get<std::string>());
    case TomlValue::value_t::array: {
      std::string list;
      for (const TomlValue& entry : value) list += (list.empty() ? "" : ", ") + toml_text(entry);
      return "[" + list + "]";
    }
    default: {
      std::string table;
      for (auto& [key, entry] : value.items()) table += (table.empty() ? " " : ", ") + join_path("", key) + " = " + toml_text(entry);
      return "{" + table + (table.empty() ? "}" : " }");
    }
  }
}

std::string toml_lines(const TomlValue& table) {
  std::string lines;
  for (auto& [key, entry] : table.items()) lines += join_path("", key) + " = " + toml_text(entry) + "\n";
  return lines;
}

std::string join_path(const std::string& path, const std::string& key) {
  const std::string safe = is_bare(key) ? key : to_toml(key);
  return path.empty() ? safe : path + "." + safe;
}

std::string join_path(const std::string& path, const PathStep& step) {
  return step.index >= 0 ? entry_path(path, size_t(step.index)) : join_path(path, step.key);
}

std::string join_path(const std::vector<PathStep>& steps) {
  return std::accumulate(steps.begin(), steps.end(), std::string(), [](const std::string& path, const PathStep& step) { return join_path(path, step); });
}

std::string entry_path(const std::string& path, size_t index) { return fmt::format("{}[{}]", path, index); }

std::vector<PathStep> split_path(const std::string& path) {
  std::vector<PathStep> steps;
  size_t at = 0;
  auto fail = [&] { throw ConfigError(fmt::format("'{}' is no path of a recipe", path), "write it like train.epochs or train.stages[0].epochs"); };
  auto more = [&](char c) { return at < path.size() && path[at] == c; };
  if (path.empty()) return steps;
  while (true) {
    const size_t start = at;
    if (more('"')) {
      for (++at; at < path.size() && path[at] != '"'; ++at)
        if (path[at] == '\\') ++at;
      if (!more('"')) fail();
      ++at;
      steps.push_back(PathStep{parse_toml("key = " + path.substr(start, at - start), path).values["key"].get<std::string>(), -1});
    } else {
      while (at < path.size() && path[at] != '.' && path[at] != '[') ++at;
      steps.push_back(PathStep{path.substr(start, at - start), -1});
      if (!is_bare(steps.back().key)) fail();
    }
    while (more('[')) {
      const size_t digits = ++at;
      while (at < path.size() && std::isdigit(static_cast<unsigned char>(path[at]))) ++at;
      if (!more(']') || at == digits || at - digits > 9) fail();
      steps.push_back({"", std::stoll(path.substr(digits, at - digits))});
      ++at;
    }
    if (at == path.size()) return steps;
    if (!more('.')) fail();
    ++at;
  }
}

const TomlValue* find_path(const TomlValue& root, const std::string& path) {
  const TomlValue* node = &root;
  for (const PathStep& step : split_path(path)) {
    if (step.index >= 0) {
      if (!node->is_array() || size_t(step.index) >= node->size()) return nullptr;
      node = &(*node)[size_t(step.index)];
    } else {
      if (!node->is_object()) return nullptr;
      auto entry = node->find(step.key);
      if (entry == node->end()) return nullptr;
      node = &*entry;
    }
  }
  return node;
}

}  // namespace retort

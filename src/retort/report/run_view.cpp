#include "retort/report/run_view.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {
namespace {

using nlohmann::json;

json parse(const std::string& text, const std::string& where) {
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    throw DataError(fmt::format("{}: not JSON at byte {}", where, error.byte),
                    "the file is damaged; run the recipe again, or restore the file");
  }
}

std::vector<json> parse_lines(const std::string& text, const std::string& path) {
  std::vector<json> rows;
  size_t start = 0;
  for (size_t line = 1, end; (end = text.find('\n', start)) != std::string::npos; start = end + 1, ++line) {
    if (end > start) rows.push_back(parse(text.substr(start, end - start), fmt::format("{}:{}", path, line)));
  }
  return rows;
}

std::string folder_name(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

}  // namespace

RunView load_run(const std::string& folder) {
  const auto inside = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  const std::string run = inside("run.json"), metrics = inside("metrics.jsonl"), recipe = inside("recipe.toml");
  RunView view;
  view.folder = folder;
  if (!file_exists(run) && !file_exists(metrics)) {
    throw DataError(fmt::format("{}: not a run folder, neither run.json nor metrics.jsonl is in it", folder),
                    "give a folder that a run has written, such as runs/<date>-<name>");
  }
  if (file_exists(run)) view.run = parse(read_file(run), run);
  if (file_exists(metrics)) view.metrics = parse_lines(read_file(metrics), metrics);
  if (file_exists(recipe)) view.recipe = read_file(recipe);
  return view;
}

std::vector<std::string> run_labels(const std::vector<RunView>& runs) {
  std::vector<std::string> labels;
  for (const RunView& run : runs) {
    std::string name = report::text_at(run.run, "name");
    if (name.empty()) name = folder_name(run.folder);
    labels.push_back(name.empty() ? "run" : name);
  }
  // Runs of one recipe share its name; their folders tell them apart.
  if (std::set<std::string>(labels.begin(), labels.end()).size() < labels.size()) {
    for (size_t i = 0; i < runs.size(); ++i) {
      if (!folder_name(runs[i].folder).empty()) labels[i] = folder_name(runs[i].folder);
    }
  }
  std::set<std::string> taken;
  for (std::string& label : labels) {
    const std::string name = label;
    for (int copy = 2; !taken.insert(label).second; ++copy) label = fmt::format("{} ({})", name, copy);
  }
  return labels;
}

namespace report {

const json& member(const json& object, const std::string& key) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

const json& list(const json& value) {
  static const json nothing = json::array();
  return value.is_array() ? value : nothing;
}

double number_in(const json& value) { return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN(); }

std::string text_in(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number() || value.is_boolean() ? value.dump() : std::string();
}

std::string text_at(const json& object, const std::string& key) { return text_in(member(object, key)); }
double number_at(const json& object, const std::string& key) { return number_in(member(object, key)); }

}  // namespace report
}  // namespace retort

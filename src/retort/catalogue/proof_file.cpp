#include "retort/catalogue/proof_file.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/toml.h"
#include "retort/catalogue/places.h"

namespace retort {
namespace {

// The leaves of a table as lines "a.b = value"; keys that are written with dots and tables inside tables mean the same.
std::string assignments(const TomlValue& table, const std::string& path = {}) {
  std::string lines;
  for (const auto& [key, value] : table.items()) {
    std::string below = path;
    for (const PathStep& step : split_path(key)) below = join_path(below, step.key);
    lines += value.is_object() && !value.empty() ? assignments(value, below) : below + " = " + toml_text(value) + "\n";
  }
  return lines;
}

class ProofReader {
 public:
  ProofReader(const std::string& text, const std::string& path) : path_(path), file_(parse_toml(text, path)) {
    proof_.id = std::filesystem::path(path).stem().string();
    proof_.path = path;
    proof_.digest = hex_digest(text);
  }

  Proof read() {
    check_keys("", file_.values, {"recipe", "claim", "tuning", "tried", "seeds", "arms", "expect", "data"});
    proof_.recipe = text(needed("recipe"), "recipe");
    proof_.claim = text(needed("claim"), "claim");
    if (file_.values.contains("tuning")) proof_.tuning = text(file_.values["tuning"], "tuning");
    if (file_.values.contains("tried")) proof_.tried = text(file_.values["tried"], "tried");
    proof_.seeds = seeds(file_.values.value("seeds", TomlValue(5)));
    for (const auto& [name, value] : table("arms").items()) proof_.arms.push_back(overrides("arms", name, value));
    if (file_.values.contains("data"))
      for (const auto& [name, value] : table("data").items()) proof_.data.push_back(overrides("data", name, value));
    for (const auto& [name, value] : table("expect").items()) proof_.expectations.push_back(expectation(name, value));
    if (proof_.arms.empty()) throw ConfigError(at("arms") + ": there are none", "add lines such as ce = { method = \"ce\" }");
    return std::move(proof_);
  }

 private:
  std::string path_;
  TomlFile file_;
  Proof proof_;

  std::string at(const std::string& key) const {
    const auto line = file_.lines.find(key);
    return line == file_.lines.end() ? fmt::format("{}: {}", path_, key) : fmt::format("{}:{}: {}", path_, line->second, key);
  }

  void check_keys(const std::string& inside, const TomlValue& table, const std::vector<std::string>& known) const {
    for (const auto& [key, value] : table.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      throw ConfigError(at(join_path(inside, key)) + ": unknown key", did_you_mean(key, known, "known here"));
    }
  }
  static std::string did_you_mean(const std::string& given, const std::vector<std::string>& known, const std::string& otherwise) {
    const std::string nearest = nearest_name(given, known);
    return nearest.empty() ? fmt::format("{}: {}", otherwise, fmt::join(known, ", ")) : fmt::format("did you mean \"{}\"?", nearest);
  }
  const TomlValue& needed(const std::string& key) const {
    const auto found = file_.values.find(key);
    if (found == file_.values.end())
      throw ConfigError(fmt::format("{}: {}: missing", path_, key), "a proof needs recipe, claim, [arms] and [expect]");
    return *found;
  }
  std::string text(const TomlValue& value, const std::string& key) const {
    if (value.is_string()) return value.get<std::string>();
    throw ConfigError(fmt::format("{}: expected text, received {}", at(key), toml_text(value)), fmt::format("write {} = \"…\"", key));
  }
  const TomlValue& table(const std::string& key) const {
    const TomlValue& value = needed(key);
    if (value.is_object()) return value;
    throw ConfigError(at(key) + ": expected a table", fmt::format("start a section [{}]", key));
  }

  std::vector<int64_t> seeds(const TomlValue& value) const {
    std::vector<int64_t> list;
    if (value.is_number_integer())
      for (int64_t seed = 0; seed < value.get<int64_t>(); ++seed) list.push_back(seed);
    if (value.is_array())
      for (const TomlValue& seed : value) list.push_back(seed.is_number_integer() ? seed.get<int64_t>() : -1);
    if (list.empty() || *std::min_element(list.begin(), list.end()) < 0)
      throw ConfigError(fmt::format("{}: expected a count above 0 or a list of seeds, received {}", at("seeds"), toml_text(value)),
                        "write seeds = 5");
    return list;
  }

  Overrides overrides(const std::string& section, const std::string& name, const TomlValue& value) const {
    const std::string key = join_path(section, name);
    if (!value.is_object())
      throw ConfigError(at(key) + ": expected a table of overrides", fmt::format("write {} = {{ method = \"ce\" }}", name));
    if (section == "arms") check_arm_name(name, key);
    return {name, assignments(value), at(key)};
  }
  void check_arm_name(const std::string& name, const std::string& key) const {
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    if (!plain || std::isdigit(static_cast<unsigned char>(name[0])))
      throw ConfigError(at(key) + ": an arm's name is letters, digits and _", "expectations name arms inside arithmetic");
  }

  ProofExpectation expectation(const std::string& name, const TomlValue& value) const {
    const std::string key = join_path("expect", name);
    ProofExpectation found;
    found.name = name;
    std::string test;
    if (value.is_object()) {
      check_keys(key, value, {"test", "claim", "kind"});
      if (!value.contains("test")) throw ConfigError(at(key) + ": test: missing", "write { test = \"accuracy: kd >= ce + 0.7\" }");
      test = text(value["test"], key + ".test");
      if (value.contains("claim")) found.claim = text(value["claim"], key + ".claim");
      const std::string kind = value.contains("kind") ? text(value["kind"], key + ".kind") : "must";
      if (kind != "must" && kind != "report")
        throw ConfigError(fmt::format("{}: expected must or report, received {}", at(key + ".kind"), kind), "must decides the verdict");
      found.must = kind == "must";
    } else {
      test = text(value, key);
    }
    found.expectation = parse_expectation(test, at(key));
    std::vector<std::string> names;
    for (const Overrides& arm : proof_.arms) names.push_back(arm.name);
    for (const auto& [arm, metric] : found.expectation.uses)
      if (std::find(names.begin(), names.end(), arm) == names.end())
        throw ConfigError(fmt::format("{}: there is no arm \"{}\"", at(key), arm), did_you_mean(arm, names, "arms"));
    return found;
  }
};

}  // namespace

Proof parse_proof(const std::string& toml, const std::string& path) { return ProofReader(toml, path).read(); }

Proof load_proof(const std::string& given) {
  const std::string path = find_named("proof", "proofs", given);
  return parse_proof(read_file(path), path);
}

}  // namespace retort

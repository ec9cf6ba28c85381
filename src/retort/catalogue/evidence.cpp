#include "retort/catalogue/evidence.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/catalogue/expectation.h"
#include "retort/catalogue/places.h"
#include "retort/catalogue/text_table.h"
#include "retort/stats/paired.h"

namespace retort {
namespace {
using nlohmann::json;

json read_sections(const std::string& path) {
  const json file = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!file.is_object() || !file.contains("data") || !file["data"].is_object())
    throw DataError(path + ": expected {\"id\": …, \"data\": {…}}", "delete it and run `retort prove` again");
  return file["data"];
}

// JSON has no NaN: it is written as null.
double number(const json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

// Decimals of numbers that stand together: two for percentages, three for small figures such as likelihoods.
int decimals(double size) { return std::abs(size) < 10 ? 3 : 2; }

}  // namespace

Evidence load_evidence(const std::string& id) {
  Evidence found{id, {}};
  const std::string path = find_shipped("evidence/" + id + ".json");
  if (path.empty()) return found;
  const json sections = read_sections(path);
  for (const auto& [data, section] : sections.items()) found.sections.push_back(section);
  return found;
}

std::vector<Evidence> load_evidence() {
  std::vector<Evidence> all;
  for (const std::string& id : shipped_names("evidence", ".json")) all.push_back(load_evidence(id));
  return all;
}

void write_evidence(const std::string& folder, const json& section) {
  const std::string id = section.at("id"), path = folder + "/" + id + ".json";
  make_folders(folder);
  json file = {{"id", id}, {"data", file_exists(path) ? read_sections(path) : json::object()}};
  file["data"][section.at("data").get<std::string>()] = section;
  write_file(path, file.dump(1) + "\n");
}

std::string proof_status(const Evidence& evidence) {
  const std::string proof = find_shipped("proofs/" + evidence.id + ".toml"), digest = proof.empty() ? "" : hex_digest(read_file(proof));
  std::string text;
  for (const json& section : evidence.sections) {
    const bool earlier = section.value("proof_digest", "") != digest;
    text += (text.empty() ? "" : ", ") + fmt::format("{} ({}{})", section.value("verdict", "?"), section.value("data", "?"),
                                                     earlier ? "; the proof has changed since" : "");
  }
  return text.empty() ? "not run" : text;
}

std::string mean_and_deviation(const json& arm, const std::string& metric) {
  std::vector<double> values;
  if (arm["metrics"].contains(metric))
    for (const json& value : arm["metrics"][metric])
      if (value.is_number()) values.push_back(value);
  if (values.empty()) return "-";
  const double middle = mean(values);
  return fmt::format("{:.{}f} ± {:.{}f}", middle, decimals(middle), standard_deviation(values), decimals(middle));
}

std::vector<std::string> compared_metrics(const json& section) {
  std::vector<std::string> metrics;
  const auto add = [&](const std::string& metric) {
    if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end()) metrics.push_back(metric);
  };
  for (const json& row : section["expectations"])
    for (const auto& [arm, metric] : parse_expectation(row["test"], "evidence").uses) add(metric);
  return metrics;
}

std::string evidence_text(const json& section) {
  const std::vector<std::string> metrics = compared_metrics(section);
  std::string text = fmt::format("{} on {}, {} seeds: {}\n", section["id"].get<std::string>(), section["data"].get<std::string>(),
                                 section["seeds"].size(), section["claim"].get<std::string>());
  for (const char* note : {"tuning", "tried"})
    if (const std::string said = section.value(note, ""); !said.empty()) text += fmt::format("{}: {}\n", note, said);
  std::vector<TableRow> rows = {{"arm"}};
  for (const std::string& metric : metrics) rows[0].push_back(metric);
  rows[0].push_back("seconds");
  for (const json& arm : section["arms"]) {
    TableRow row = {arm["name"]};
    for (const std::string& metric : metrics) row.push_back(mean_and_deviation(arm, metric));
    row.push_back(fmt::format("{:.1f}", arm["seconds"].get<double>()));
    rows.push_back(std::move(row));
  }
  text += "\n" + text_table(rows, /*numbers=*/true) + "\n";
  for (const json& row : section["expectations"]) {
    text += fmt::format("{}: {}{}\n", row["name"].get<std::string>(), row["test"].get<std::string>(),
                        row["kind"] == "must" ? "" : "  (reported only)");
    if (const std::string claim = row["claim"]; !claim.empty()) text += "  claim: " + claim + "\n";
    if (!row.contains("surplus")) {
      text += "  no seed has all its arms\n";
      continue;
    }
    const json& surplus = row["surplus"];
    const double size = number(surplus["mean"]);
    text += fmt::format(
        "  beyond the margin by {0:+.{3}f} (95% interval {1:+.{3}f} … {2:+.{3}f}, sign test p = {4:.3f}); mean met: {5}; {6}\n", size,
        number(surplus["interval"][0]), number(surplus["interval"][1]), decimals(size), number(surplus["sign_test"]),
        row["mean_met"].get<bool>() ? "yes" : "no", row["verdict"].get<std::string>());
  }
  return text + fmt::format("verdict: {} ({:.0f} s of runs, {:.0f} s CPU)\n", section["verdict"].get<std::string>(),
                            section["wall_seconds"].get<double>(), section["cpu_seconds"].get<double>());
}

}  // namespace retort

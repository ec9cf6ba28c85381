// evidence/<id>.json: what a proof found, one section a data set. Read by `retort methods`, the report and the documentation.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort {

struct Evidence {
  std::string id;
  std::vector<nlohmann::json> sections;  // in the order of the data names
};

// Every readable file of the shipped evidence folder, by id. A damaged file throws DataError.
std::vector<Evidence> load_evidence();
Evidence load_evidence(const std::string& id);  // no sections where there is none

// Puts the section in folder/<id>.json in place of an earlier one of the same data set.
void write_evidence(const std::string& folder, const nlohmann::json& section);

// "holds (digits), undecided (mnist)", or "not run". Says so where the proof file is no longer the one that was run.
std::string proof_status(const Evidence& evidence);

// A metric of an arm over the seeds: "87.61 ± 0.42"; "-" where it has none.
std::string mean_and_deviation(const nlohmann::json& arm, const std::string& metric);
// Metrics that the expectations of a section speak of, in order of appearance.
std::vector<std::string> compared_metrics(const nlohmann::json& section);
// What `retort prove` prints.
std::string evidence_text(const nlohmann::json& section);

}  // namespace retort

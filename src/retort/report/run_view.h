// A run as the report sees it: what its folder says, read tolerantly, because a report of half a run is worth more than none.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort {

struct RunView {
  std::string folder;                   // as given; empty when there is none
  nlohmann::json run;                   // run.json (docs/formats.md); null while the run is under way
  std::vector<nlohmann::json> metrics;  // the rows of metrics.jsonl
  std::string recipe;                   // recipe.toml, the resolved recipe; empty without one
};

// Reads run.json, metrics.jsonl and recipe.toml. Each may be missing, but one of the first two must be there. A last line of
// metrics.jsonl without a line end is a row still being written and is left out. Throws DataError: no run folder, damaged file.
RunView load_run(const std::string& folder);

// One distinct name a run: its name, else its folder's, numbered where they repeat.
std::vector<std::string> run_labels(const std::vector<RunView>& runs);

namespace report {

// Looks at JSON that may lack anything: null, NaN, "" and an empty list stand for what is not there or has another type.
const nlohmann::json& member(const nlohmann::json& object, const std::string& key);
const nlohmann::json& list(const nlohmann::json& value);
double number_in(const nlohmann::json& value);
std::string text_in(const nlohmann::json& value);  // numbers and true/false are written out
std::string text_at(const nlohmann::json& object, const std::string& key);
double number_at(const nlohmann::json& object, const std::string& key);

}  // namespace report
}  // namespace retort

// Matrices whose cells are coloured by their value: confusion matrices and heat maps, as tables that need no script.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort::report {

// counts[true][predicted]; classes without a name are called by their number.
struct Confusion {
  std::vector<std::string> classes;
  std::vector<std::vector<double>> counts;
};
Confusion confusion_of(const nlohmann::json& panel);
std::string confusion_table(const Confusion& confusion, const std::string& label);
std::string confusion_in_words(const Confusion& confusion);  // "12 of 360 wrong (3.3%), most often 8 taken for 1 (4 times). …"

std::string heatmap_table(const nlohmann::json& panel);  // empty without values

}  // namespace retort::report

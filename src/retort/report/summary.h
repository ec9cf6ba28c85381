// What the page says first: the outcome in a sentence, and its key figures.
#pragma once

#include <string>
#include <vector>

#include "retort/report/table.h"

namespace retort::report {

// "A student of 1,810 parameters keeps 98.9% of the teacher's accuracy at 1/40 of its size. …" Plain text, not yet escaped.
std::string summary_of(const RunView& run, const Results& results);
std::string summary_of(const std::vector<std::string>& labels, const std::vector<Results>& results);

// The panel of kind `lead`: what the run itself wants said first; null without.
const nlohmann::json& lead_of(const RunView& run);

struct Figure {
  std::string value, name, detail;  // "1/40", "of the teacher's size", "1,810 of 72,400 parameters"
};
std::vector<Figure> key_figures(const RunView& run, const Results& results);

}  // namespace retort::report

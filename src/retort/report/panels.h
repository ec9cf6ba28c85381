// The panels of run.json (docs/formats.md) as cards of the page.
#pragma once

#include <string>
#include <vector>

#include "retort/report/charts.h"

namespace retort::report {

struct Card {
  std::string html;
  bool wide = false;
};

// One card a panel, in the order of the run. A panel of an unknown kind says so; one without content is left out.
std::vector<Card> panel_cards(const nlohmann::json& panels, ChartBook& book);

// Cards two abreast, wide ones over both columns; a narrow one that would stand alone is widened.
std::string arranged(std::vector<Card> cards);

}  // namespace retort::report

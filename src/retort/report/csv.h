// The result table as CSV (RFC 4180), for spreadsheets and scripts.
#pragma once

#include <string>
#include <vector>

#include "retort/report/run_view.h"

namespace retort {

// Columns run, model, then the table's keys; full precision, empty for what is missing.
std::string results_csv(const std::vector<RunView>& runs);

}  // namespace retort

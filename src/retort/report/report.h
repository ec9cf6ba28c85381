// The report of a run, or of several side by side: one HTML page that stands alone (style, script, charts and pictures are inside it)
// and never asks the network for anything.
#pragma once

#include <string>
#include <vector>

#include "retort/report/run_view.h"

namespace retort {

// The page. Whatever a run says is treated as text of a stranger: nothing in it can become markup or script.
std::string render_report(const std::vector<RunView>& runs);

// Reads the run folders and writes the page to `path`, whole or not at all. Throws ConfigError (no folder), DataError, StorageError.
void write_report(const std::vector<std::string>& run_folders, const std::string& path);

}  // namespace retort

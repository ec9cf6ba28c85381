// Where data lies: the one place that knows the folders.
#pragma once

#include <string>
#include <vector>

namespace retort {

// Searched in this order: $RETORT_DATA, ./data, the source tree's data/, the installed data folder (also relative to the program),
// ../shared/data (of the working directory and of the source tree), the cache folder.
std::vector<std::string> data_folders();
// The first data folder that holds `relative`, joined with it; empty when none does.
std::string find_data(const std::string& relative);
// $XDG_CACHE_HOME/retort/data, or ~/.cache/retort/data: where `retort data fetch` puts things.
std::string cache_folder();

}  // namespace retort

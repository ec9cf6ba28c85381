// Where recipes, proofs, evidence and the like are found: the current folder first, then the installed share folder, then the source tree.
#pragma once

#include <string>
#include <vector>

namespace retort {

// The first existing of ./relative, <program>/../share/retort/relative and <source>/relative; empty when there is none.
std::string find_shipped(const std::string& relative);

// Names (without the ending, sorted) of the files of that kind in every place: shipped_names("recipes", ".toml").
std::vector<std::string> shipped_names(const std::string& folder, const std::string& ending);

// "quickstart" or a path -> the path of folder/quickstart.toml or the path itself. Throws ConfigError with the nearest name.
std::string find_named(const std::string& what, const std::string& folder, const std::string& given);

}  // namespace retort

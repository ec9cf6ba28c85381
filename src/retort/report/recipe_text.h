// Resolved recipes on the page: one coloured for reading, several reduced to the keys in which they differ.
#pragma once

#include <string>
#include <vector>

namespace retort::report {

// The TOML as it is, escaped, with sections, keys and comments marked.
std::string coloured_toml(const std::string& toml);

struct Difference {
  std::string key;                  // dotted
  std::vector<std::string> values;  // TOML, one a recipe; "" where the key is absent
};
// Keys that are not the same in all recipes, in alphabetical order, without `name` and `run.dir`, which always differ. A text that is
// not TOML counts as empty.
std::vector<Difference> differing_keys(const std::vector<std::string>& recipes);

}  // namespace retort::report

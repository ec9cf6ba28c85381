// The one table of methods: explicit, in the order of the documentation.
#pragma once

#include <string>
#include <vector>

#include "retort/train/method.h"

namespace retort {

const std::vector<Method>& methods();
const Method& find_method(const std::string& id);  // throws ConfigError with the nearest id
// The methods that work with a teacher that shows only so much; for AccessError hints.
std::vector<std::string> methods_that_work_with(Access shown);

struct Finished {
  std::string folder;  // the run folder
  Outcome outcome;
};
// Runs a recipe to its end. `verb`: the method must belong to it ("" for any). Throws ConfigError for an unknown method or another verb's,
// AccessError with the methods that would work, and whatever the run throws.
Finished run_recipe(Recipe recipe, const std::string& verb, bool resume, bool quiet);

}  // namespace retort

// A first line "a.b=c", then any TOML: a ConfigError, or a recipe whose resolved form loads back to the same values.
#include <cstdlib>

#include "retort/base/error.h"
#include "retort/base/recipe.h"

namespace {

struct Section {
  bool yes = false;
  int64_t n = 1;
  double x = 0.5;
  std::string s = "a";
  std::vector<int64_t> ns;
  std::vector<double> xs = {1};
  std::vector<std::string> ss = {"b"};
  void describe(retort::Knobs& knobs) {
    knobs("yes", yes, "");
    knobs("n", n, "", retort::at_least(-5));
    knobs("x", x, "");
    knobs("s", s, "");
    knobs("ns", ns, "");
    knobs("xs", xs, "");
    knobs("ss", ss, "");
  }
};

std::string read_all(retort::Recipe& recipe) {
  for (const char* name : {"", "a", "a.b", "t[0]", "t[1]", "t[0].c"}) recipe.read<Section>(name);
  return recipe.resolved();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retort;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), input.size());
  const std::string toml = input.substr(std::min(line + 1, input.size()));
  std::string resolved;
  try {
    Recipe recipe = Recipe::parse(toml, "input");
    if (line > 0) recipe.set(input.substr(0, line));
    recipe.set_table(toml, "again");
    if (recipe.digest().size() != 16) std::abort();
    resolved = read_all(recipe);
    recipe.finish();
  } catch (const ConfigError& error) {
    if (resolved.empty()) return 0;
  }
  Recipe again = Recipe::parse(resolved, "resolved");  // a ConfigError here is a finding
  if (read_all(again) != resolved) std::abort();
  again.finish();
  return 0;
}

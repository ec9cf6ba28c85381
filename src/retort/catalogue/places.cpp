#include "retort/catalogue/places.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> roots() {
  std::vector<fs::path> all = {"."};
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (!failed) all.push_back(program.parent_path().parent_path() / "share" / "retort");
  all.emplace_back(RETORT_SOURCE_DIR);
  return all;
}

}  // namespace

std::string find_shipped(const std::string& relative) {
  std::error_code failed;
  for (const fs::path& root : roots())
    if (fs::exists(root / relative, failed)) return (root == "." ? fs::path(relative) : root / relative).string();
  return {};
}

std::vector<std::string> shipped_names(const std::string& folder, const std::string& ending) {
  std::set<std::string> names;
  std::error_code failed;
  for (const fs::path& root : roots())
    for (fs::directory_iterator entry(root / folder, failed), end; !failed && entry != end; entry.increment(failed))
      if (entry->path().extension() == ending) names.insert(entry->path().stem().string());
  return {names.begin(), names.end()};
}

std::string find_named(const std::string& what, const std::string& folder, const std::string& given) {
  std::error_code failed;
  if (fs::is_regular_file(given, failed)) return given;
  const bool bare = given.find('/') == std::string::npos;
  for (const std::string& candidate : {given, folder + "/" + given, folder + "/" + given + ".toml"}) {
    if (candidate != given && !bare) continue;
    const std::string path = find_shipped(candidate);
    if (!path.empty() && fs::is_regular_file(path, failed)) return path;
  }
  const std::vector<std::string> names = shipped_names(folder, ".toml");
  const std::string nearest = nearest_name(fs::path(given).stem().string(), names);
  throw ConfigError(fmt::format("{} \"{}\": no such file", what, given),
                    nearest.empty() ? fmt::format("give a path, or one of the shipped: {}", fmt::join(names, ", "))
                                    : fmt::format("did you mean \"{}\"?", nearest));
}

}  // namespace retort

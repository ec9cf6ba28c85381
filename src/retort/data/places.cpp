#include "retort/data/places.h"

#include <cstdlib>
#include <filesystem>

namespace retort {

namespace {
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}
}  // namespace

std::string cache_folder() {
  std::string base = variable("XDG_CACHE_HOME");
  if (base.empty()) base = (variable("HOME").empty() ? std::string("/tmp") : variable("HOME")) + "/.cache";
  return base + "/retort/data";
}

std::vector<std::string> data_folders() {
  namespace fs = std::filesystem;
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  std::vector<std::string> folders;
  if (!variable("RETORT_DATA").empty()) folders.push_back(variable("RETORT_DATA"));
  folders.insert(folders.end(), {"data", RETORT_DATA_SOURCE, RETORT_DATA_INSTALLED});
  if (!program.empty()) folders.push_back((program.parent_path().parent_path() / "share/retort/data").string());
  folders.insert(folders.end(), {"../shared/data", RETORT_DATA_SOURCE "/../../shared/data", cache_folder()});
  return folders;
}

std::string find_data(const std::string& relative) {
  std::error_code ignored;
  for (const auto& folder : data_folders()) {
    const auto path = std::filesystem::path(folder) / relative;
    if (std::filesystem::exists(path, ignored)) return path.lexically_normal().string();
  }
  return {};
}

}  // namespace retort

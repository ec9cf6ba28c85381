// The documentation that is written from declarations: methods, recipe keys, evidence.
#pragma once

#include <string>
#include <vector>

namespace retort {

struct Page {
  std::string path;  // inside docs/
  std::string text;  // Markdown
};

// methods.md, methods/<family>.md, recipe-keys.md, evidence.md.
std::vector<Page> documentation();

// Writes the pages that differ and returns their paths.
std::vector<std::string> write_documentation(const std::string& folder);
// Paths of pages that are missing or say something else.
std::vector<std::string> stale_documentation(const std::string& folder);

}  // namespace retort

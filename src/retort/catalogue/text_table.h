// Tables for people: aligned columns for terminals, and the same as Markdown.
#pragma once

#include <string>
#include <vector>

namespace retort {

using TableRow = std::vector<std::string>;

// First row: headings. The first column is set left, the others right when `numbers`. Each line ends with a newline.
std::string text_table(const std::vector<TableRow>& rows, bool numbers);
std::string markdown_table(const std::vector<TableRow>& rows);

}  // namespace retort

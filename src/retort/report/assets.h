// Files that travel inside the program: read at build time (cmake/RetortAssets.cmake), valid for its whole life.
#pragma once

#include <string_view>

namespace retort::report {

std::string_view style_sheet();    // assets/report.css
std::string_view page_script();    // assets/report.js
std::string_view emblem();         // assets/retort.svg
std::string_view theme_icon();     // assets/theme.svg
std::string_view chart_library();  // Chart.js of the system

}  // namespace retort::report

// PNG pictures inside the page, enlarged by whole factors so that a pixel stays a square.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace retort::report {

// Width and height from the head of a base64 PNG; {0, 0} for anything else.
std::pair<int64_t, int64_t> png_size(const std::string& base64);

// Items {png: base64, caption} as a list of captioned pictures; a line end in a caption breaks it. Empty without items.
std::string picture_strip(const nlohmann::json& items);

}  // namespace retort::report

// What verbs print: results on stdout, as text or as JSON; everything that only accompanies them goes to stderr.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace retort {

void print_text(const std::string& text);
void print_json(const nlohmann::json& value);  // one document, indented, ends with a newline

}  // namespace retort

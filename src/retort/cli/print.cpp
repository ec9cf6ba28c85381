#include "retort/cli/print.h"

#include <cstdio>

namespace retort {

void print_text(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_json(const nlohmann::json& value) { print_text(value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"); }

}  // namespace retort

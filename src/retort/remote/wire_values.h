// Values out of replies that may hold anything.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort {

// The entry, or a null value where there is none (or `value` is no object).
const nlohmann::json& entry_of(const nlohmann::json& value, const char* name);
// Text that is there; empty for null or nothing. Throws BrokenReply for anything else.
std::string text_of(const nlohmann::json& value, const char* name);
// A finite number. Throws BrokenReply, naming `what`.
double number_of(const nlohmann::json& value, const std::string& what);
// A whole number from 0 on, or `otherwise` where none is there.
int64_t count_of(const nlohmann::json& value, const char* name, int64_t otherwise);
// Rows of finite numbers, all of one length. Throws BrokenReply.
std::vector<std::vector<float>> rows_of(const nlohmann::json& value, const std::string& what);
// The float as the shortest decimal that reads back to it: half the bytes of the double that it would else be written as.
double shortest(float value);
nlohmann::json shortest_rows(const std::vector<std::vector<float>>& rows);
// UTF-8 with U+FFFD for what is not; JSON can carry nothing else.
std::string as_utf8(const std::string& text);

}  // namespace retort

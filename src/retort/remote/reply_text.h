// Words about replies that cannot be used.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "retort/remote/http.h"

namespace retort {

// Parses a reply. Throws BrokenReply: an HTML page, JSON that breaks off, NaN.
nlohmann::json json_of(const HttpReply& reply);
// What the server says about its refusal, in one short line; empty where it says nothing that a person can read.
std::string refusal_of(const std::string& body);
// What to do about it.
std::string hint_for(int64_t status, const std::string& key_env);
// `text` without the secret.
std::string without(std::string text, const std::string& secret);

}  // namespace retort

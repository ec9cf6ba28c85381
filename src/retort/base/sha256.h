// SHA-256 of bytes.
#pragma once

#include <string>
#include <string_view>

namespace retort {

std::string sha256_of(std::string_view bytes);  // 64 hex digits

}  // namespace retort

// Small pieces of a page: escaped text and the way numbers are written for people.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace retort::report {

// Text for an element or a quoted attribute.
std::string escape(std::string_view text);
// JSON for a <script> element: no "<" is left in it, and what is not finite is null.
std::string script_json(const nlohmann::json& value);

inline constexpr const char* kMissing = "–";
inline constexpr const char* kSpace = "\u00a0";  // between a figure and its unit: no line breaks there
// "1,810", "−0.25"; kMissing for what is not finite. digits < 0: four significant digits.
std::string number(double value, int digits = -1);
std::string signed_number(double value, int digits);  // "+1.40", "−0.25", "±0.00" where it rounds to nothing
// How much smaller or larger `part` is than `whole`: "1/40", "1/3.4", "× 1.6", "× 1". Both positive.
std::string ratio(double part, double whole);
std::string bytes(double count);       // "7.4 kB"
std::string duration(double seconds);  // "0.8 s", "42 s", "3 min 12 s", "2 h 05 min"
double rounded(double value, int significant);

}  // namespace retort::report

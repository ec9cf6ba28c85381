// When another try is worth it, and how long to wait before it. Pure: the clock and the dice are the caller's.
#pragma once

#include <string>

#include "retort/remote/http.h"

namespace retort {

// 408, 409, 429, 500, 502, 503, 504. Never 400, 401, 403, 404, 422: the same request would be refused again.
bool status_worth_another_try(int64_t status);
// That of a reply's status, or of the failure that came in its place.
bool worth_another_try(const HttpReply& reply);

// Seconds until the next try after `failed` of them (1, 2, …): what the server asks for, else min(cap, base 2^(failed-1)) * dice, dice in [0.5, 1.5).
double wait_before_try(int64_t failed, double base, double cap, double retry_after, double dice);
// A server that asks for more than this is not waited for.
constexpr double kLongestWait = 3600;

// Retry-After (RFC 9110, 10.2.3) as seconds from when the server wrote it: a whole number, or a date, which is compared with the reply's own Date so
// that no clock here matters; without a Date with this machine's. -1 where the text is neither.
double retry_after_seconds(const std::string& value, const std::string& date);

// "Unauthorized" of 401; empty for a number without a name.
std::string name_of_status(int64_t status);

}  // namespace retort

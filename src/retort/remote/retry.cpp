#include "retort/remote/retry.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>

#include <curl/curl.h>

namespace retort {

bool status_worth_another_try(int64_t status) {
  switch (status) {
    case 408:
    case 409:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

bool worth_another_try(const HttpReply& reply) {
  if (reply.retry_after > kLongestWait) return false;
  return reply.status == 0 ? reply.passing : status_worth_another_try(reply.status);
}

double wait_before_try(int64_t failed, double base, double cap, double retry_after, double dice) {
  if (retry_after >= 0) return retry_after;
  return std::min(cap, base * std::pow(2.0, static_cast<double>(failed - 1))) * dice;
}

double retry_after_seconds(const std::string& value, const std::string& date) {
  if (value.empty()) return -1;
  if (value.find_first_not_of("0123456789") == std::string::npos) return value.size() > 9 ? 1e9 : std::stod(value);
  const time_t then = ::curl_getdate(value.c_str(), nullptr);
  if (then < 0) return -1;
  const time_t written = date.empty() ? -1 : ::curl_getdate(date.c_str(), nullptr);
  return std::max(0.0, std::difftime(then, written >= 0 ? written : std::time(nullptr)));
}

std::string name_of_status(int64_t status) {
  static const std::map<int64_t, std::string> names = {{301, "moved"},
                                                       {302, "moved"},
                                                       {307, "moved"},
                                                       {308, "moved"},
                                                       {400, "bad request"},
                                                       {401, "unauthorized"},
                                                       {402, "payment required"},
                                                       {403, "forbidden"},
                                                       {404, "not found"},
                                                       {405, "method not allowed"},
                                                       {408, "request timeout"},
                                                       {409, "conflict"},
                                                       {413, "request too large"},
                                                       {422, "cannot be processed"},
                                                       {429, "too many requests"},
                                                       {500, "internal error"},
                                                       {501, "not implemented"},
                                                       {502, "bad gateway"},
                                                       {503, "unavailable"},
                                                       {504, "gateway timeout"}};
  const auto found = names.find(status);
  return found == names.end() ? std::string() : found->second;
}

}  // namespace retort

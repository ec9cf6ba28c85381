// The file behind the response cache: its tables, and who may still be using it.
#pragma once

#include <string>

#include "retort/remote/response_cache.h"
#include "retort/remote/sqlite.h"

namespace retort {

constexpr int64_t kCacheVersion = 1;

// Makes its folder and its tables where they are not there (with `make`). Throws DataError for a database of something else or of another version.
class CacheFile final : public Database {
 public:
  CacheFile(const std::string& path, bool make);
};

// Adds answers, inside a transaction of its caller. One that is there already stays as it is.
class AnswerWriter {
 public:
  explicit AnswerWriter(const Database& database);
  // `at`: seconds since 1970. Returns whether it was new. Credentials in the URL are left out.
  bool write(const std::string& key, const std::string& url, const nlohmann::json& request, const nlohmann::json& reply, const Usage& usage,
             int64_t at);

 private:
  const Database& database_;
  Statement insert_;
};

// A process, told apart from others that had or will have its number, before and after a restart of the machine. Empty for one that is gone.
std::string birth_of_process(int64_t process);

}  // namespace retort

// What `retort cache` does: looks into the file, carries answers from one to another, forgets old ones.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/remote/cache_file.h"

namespace retort {
namespace {
using nlohmann::json;

std::string date_text(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[32];
  ::gmtime_r(&time, &parts);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// Seconds since 1970, or -1 for another text.
int64_t date_from(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end && !*end ? static_cast<int64_t>(::timegm(&parts)) : -1;
}

// Lines into a file that appears whole at the end. A device or a pipe is written as it is, and so is a link (/dev/stdout is one): a rename would put a file
// in its place. "-" is stdout.
class LineFile {
 public:
  explicit LineFile(const std::string& path) : path_(path) {
    const auto kind = std::filesystem::symlink_status(path).type();
    whole_ = path != "-" && (kind == std::filesystem::file_type::regular || kind == std::filesystem::file_type::not_found);
    writing_ = whole_ ? fmt::format("{}.{}.part", path, ::getpid()) : path;
    file_ = path == "-" ? stdout : std::fopen(writing_.c_str(), "w");
    if (!file_) fail();
  }
  ~LineFile() {
    if (file_ && file_ != stdout) std::fclose(file_);
    if (whole_ && !finished_) ::unlink(writing_.c_str());
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void add(const std::string& line) {
    if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fputc('\n', file_) == EOF) fail();
  }
  void finish() {
    if (std::fflush(file_) != 0 || (whole_ && ::fsync(::fileno(file_)) != 0)) fail();
    if (whole_ && std::rename(writing_.c_str(), path_.c_str()) != 0) fail();
    finished_ = true;
  }

 private:
  [[noreturn]] void fail() const {
    throw StorageError(fmt::format("{}: cannot be written: {}", path_ == "-" ? "stdout" : path_, std::strerror(errno)),
                       "check that its folder exists, may be written and has room");
  }
  std::string path_, writing_;
  bool whole_ = true, finished_ = false;
  std::FILE* file_ = nullptr;
};

json usage_json(const Usage& usage) {
  return {{"calls", usage.calls},
          {"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"money", usage.money}};
}

json parsed(const Rows& rows, int column) { return json::parse(rows.text(column), nullptr, /*allow_exceptions=*/false); }

// A line of an export. Throws std::runtime_error with what is wrong with it.
struct Line {
  std::string key, url;
  json request, reply;
  Usage usage;
  int64_t at = 0;

  explicit Line(const std::string& text) {
    json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object()) throw std::runtime_error("expected one JSON object a line");
    for (const char* name : {"key", "url", "request", "reply", "usage", "at"}) {
      if (!line.contains(name)) throw std::runtime_error(fmt::format("\"{}\" is missing", name));
    }
    const auto text_at = [&](const char* name) {
      if (!line[name].is_string()) throw std::runtime_error(fmt::format("\"{}\": expected a text", name));
      return line[name].get<std::string>();
    };
    key = text_at("key");
    if (key.size() != 64 || key.find_first_not_of("0123456789abcdef") != std::string::npos)
      throw std::runtime_error("\"key\": expected 64 hex digits");
    url = text_at("url");
    at = date_from(text_at("at"));
    if (at < 0) throw std::runtime_error("\"at\": expected a date like 2026-01-02T03:04:05Z");
    const json& spent = line["usage"];
    const auto count = [&](const char* name) {
      if (!spent.is_object() || !spent.contains(name) || !spent[name].is_number() || spent[name] < 0 ||
          (!spent[name].is_number_integer() && name != std::string("money")))
        throw std::runtime_error(fmt::format("\"usage\": expected \"{}\", a number that is not negative", name));
      return spent[name];
    };
    usage = {count("calls").get<int64_t>(), count("prompt_tokens").get<int64_t>(), count("completion_tokens").get<int64_t>(),
             count("money").get<double>()};
    request = std::move(line["request"]);
    reply = std::move(line["reply"]);
  }
};

}  // namespace

std::vector<CacheSummary> summarise_cache(const std::string& path) {
  const CacheFile file(path, /*make=*/false);
  Statement groups(file, "SELECT url, model, count(*), sum(bytes), min(at), max(at) FROM answers GROUP BY url, model ORDER BY url, model");
  std::vector<CacheSummary> summaries;
  for (Rows rows = groups.rows(); rows.next();) {
    summaries.push_back({std::string(rows.text(0)), std::string(rows.text(1)), rows.integer(2), rows.integer(3), date_text(rows.integer(4)),
                         date_text(rows.integer(5))});
  }
  return summaries;
}

std::vector<std::pair<std::string, Usage>> ledger_of_cache(const std::string& path) {
  const CacheFile file(path, /*make=*/false);
  Statement all(file, "SELECT budget, calls, prompt_tokens, completion_tokens, money FROM ledger ORDER BY budget");
  std::vector<std::pair<std::string, Usage>> ledger;
  for (Rows rows = all.rows(); rows.next();)
    ledger.push_back({std::string(rows.text(0)), {rows.integer(1), rows.integer(2), rows.integer(3), rows.real(4)}});
  return ledger;
}

int64_t export_cache(const std::string& path, const std::string& jsonl) {
  const CacheFile file(path, /*make=*/false);
  Statement all(file, "SELECT key, url, request, reply, at, calls, prompt_tokens, completion_tokens, money FROM answers ORDER BY rowid");
  LineFile lines(jsonl);
  int64_t count = 0;
  for (Rows rows = all.rows(); rows.next(); ++count) {
    const Usage usage = {rows.integer(5), rows.integer(6), rows.integer(7), rows.real(8)};
    lines.add(json{{"key", std::string(rows.text(0))},
                   {"url", std::string(rows.text(1))},
                   {"request", parsed(rows, 2)},
                   {"reply", parsed(rows, 3)},
                   {"usage", usage_json(usage)},
                   {"at", date_text(rows.integer(4))}}
                  .dump());
  }
  lines.finish();
  return count;
}

int64_t import_cache(const std::string& path, const std::string& jsonl) {
  std::ifstream lines(jsonl);
  if (!lines || std::filesystem::is_directory(jsonl))
    throw DataError(fmt::format("{}: cannot be read: {}", jsonl, std::strerror(lines ? EISDIR : errno)), "check the path");
  const CacheFile file(path, /*make=*/true);
  AnswerWriter writer(file);
  Transaction writing(file);
  int64_t added = 0, number = 0;
  for (std::string text; std::getline(lines, text);) {
    ++number;
    if (text.empty()) continue;
    try {
      const Line line(text);
      if (writer.write(line.key, line.url, line.request, line.reply, line.usage, line.at)) ++added;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw DataError(fmt::format("{}:{}: {}", jsonl, number, error.what()),
                      "nothing was imported; a line is what `retort cache export` writes");
    }
  }
  writing.commit();
  return added;
}

int64_t prune_cache(const std::string& path, double days, int64_t bytes) {
  const CacheFile file(path, /*make=*/false);
  int64_t before = 0, after = 0;
  {
    Transaction writing(file);
    before = file.number("SELECT count(*) FROM answers");
    if (days > 0) Statement(file, "DELETE FROM answers WHERE at < ?1").run(static_cast<double>(std::time(nullptr)) - days * 86400);
    if (bytes > 0) {
      Statement(file,
                "DELETE FROM answers WHERE rowid IN (SELECT id FROM (SELECT rowid AS id, sum(bytes) OVER (ORDER BY at DESC, rowid DESC) AS "
                "so_far FROM answers) WHERE so_far > ?1)")
          .run(bytes);
    }
    after = file.number("SELECT count(*) FROM answers");
    writing.commit();
  }
  if (after < before) {
    try {
      file.run("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (
        const StorageError&) {  // others read or write, or there is no room for a copy: the file stays as long as it was, its space is used again
    }
  }
  return before - after;
}

}  // namespace retort

#include "retort/remote/cache_file.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <sqlite3.h>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {
namespace {

constexpr int64_t kApplication = 0x52744361;  // "RtCa": tells this file from other databases

// A reservation is a row of its own, so that it ends with the process that made it. The ledger outlives the answers.
constexpr const char* kTables = R"(
CREATE TABLE answers(key TEXT NOT NULL UNIQUE, url TEXT NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL, reply TEXT NOT NULL,
                     calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, money REAL NOT NULL,
                     bytes INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE ledger(budget TEXT PRIMARY KEY, calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
                    money REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE reservations(id INTEGER PRIMARY KEY AUTOINCREMENT, budget TEXT NOT NULL, process INTEGER NOT NULL, birth TEXT NOT NULL,
                          calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, money REAL NOT NULL);
PRAGMA application_id = 1383351137;
PRAGMA user_version = 1;
)";
static_assert(kApplication == 1383351137 && kCacheVersion == 1, "written out above");

void check_tables(const Database& database) {
  const int64_t application = database.number("PRAGMA application_id"), version = database.number("PRAGMA user_version");
  if (application != kApplication)
    throw DataError(database.path() + ": not a cache of answers: it is the database of another program",
                    "choose another path for the cache");
  if (version != kCacheVersion) {
    throw DataError(fmt::format("{}: a cache of version {}, and this program knows version {}", database.path(), version, kCacheVersion),
                    "use the version of retort that made it, or another cache");
  }
}

bool is_new(const Database& database) {
  return database.number("PRAGMA application_id") == 0 && database.number("SELECT count(*) FROM sqlite_master") == 0;
}

// The one statement at which SQLite does not wait for others by itself.
void use_write_ahead_log(const Database& database) {
  for (int tries = 0;; ++tries) {
    const int code = sqlite3_exec(database.handle(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    if ((code & 0xff) != SQLITE_BUSY || tries == 1000) database.fail(code);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

const std::string& in_a_folder(const std::string& path, bool make) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (make && !folder.empty()) make_folders(folder);
  return path;
}

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// https://user:password@host/v1 -> https://host/v1
std::string without_credentials(const std::string& url) {
  const size_t scheme = url.find("://"), start = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t at = url.substr(0, url.find('/', start)).rfind('@');
  return at == std::string::npos || at < start ? url : url.substr(0, start) + url.substr(at + 1);
}

std::string text_of(const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

}  // namespace

CacheFile::CacheFile(const std::string& path, bool make) : Database(in_a_folder(path, make), make) {
  if (!make || !is_new(*this)) check_tables(*this);  // before anything is written into a file that may be another's
  use_write_ahead_log(*this);
  run("PRAGMA synchronous = NORMAL");  // a kill loses nothing that was committed, a power failure at most the last moments
  if (is_new(*this)) {
    Transaction making(*this);
    if (is_new(*this)) {  // not made by another process in the meantime
      run(kTables);
      making.commit();
    }
  }
  check_tables(*this);
}

AnswerWriter::AnswerWriter(const Database& database)
    : database_(database),
      insert_(database, "INSERT INTO answers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING") {}

bool AnswerWriter::write(const std::string& key, const std::string& url, const nlohmann::json& request, const nlohmann::json& reply,
                         const Usage& usage, int64_t at) {
  const std::string question = text_of(request), answer = text_of(reply);
  const auto model = request.is_object() ? request.find("model") : request.end();
  insert_.run(key, without_credentials(url), model != request.end() && model->is_string() ? model->get<std::string>() : std::string(),
              question, answer, usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.money,
              static_cast<int64_t>(question.size() + answer.size()), at);
  return database_.changes() > 0;
}

std::string birth_of_process(int64_t process) {
  // Field 3 is the state, field 22 the start in ticks since the machine's; the name before may hold anything but ends with the last ')'.
  const std::string line = first_line_of(fmt::format("/proc/{}/stat", process));
  const size_t end = line.rfind(')');
  if (end == std::string::npos) return "";
  std::istringstream fields(line.substr(end + 1));
  std::string state, field;
  fields >> state;
  if (state == "Z" || state == "X") return "";
  for (int i = 4; i <= 22; ++i) fields >> field;
  static const std::string boot = first_line_of("/proc/sys/kernel/random/boot_id");
  return boot + "/" + field;
}

}  // namespace retort

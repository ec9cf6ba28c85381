#include "retort/remote/sqlite.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sqlite3.h>

#include "retort/base/error.h"

namespace retort {
namespace {

constexpr int kPatience = 30'000;  // ms that another process may write before we give up

}  // namespace

Database::Database(std::string path, bool make) : path_(std::move(path)) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (make ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path_.empty() ? ":memory:" : path_.c_str(), &handle_, flags, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_busy_timeout(handle_, kPatience);
    return;
  }
  const int reason = handle_ ? sqlite3_system_errno(handle_) : ENOMEM;
  sqlite3_close(handle_);
  if (!make && reason == ENOENT) throw DataError(path_ + ": there is no such file", "give the path of a cache of answers");
  throw StorageError(fmt::format("{}: cannot be opened: {}", path_, reason ? std::strerror(reason) : sqlite3_errstr(code)),
                     "check that its folder exists and may be written");
}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::run(const char* sql) const {
  if (const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK) fail(code);
}

int64_t Database::number(const char* sql) const {
  Statement statement(*this, sql);
  Rows rows = statement.rows();
  return rows.next() ? rows.integer(0) : 0;
}

int64_t Database::last_id() const { return sqlite3_last_insert_rowid(handle_); }
int64_t Database::changes() const { return sqlite3_changes(handle_); }

void Database::fail(int code) const {
  const std::string said = sqlite3_errmsg(handle_), name = path_.empty() ? "the cache in memory" : path_;
  const int reason = sqlite3_system_errno(handle_);
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      throw DataError(name + ": not a cache of answers: it is no SQLite file", "choose another path for the cache");
    case SQLITE_CORRUPT:
      throw DataError(fmt::format("{}: damaged: {}", name, said),
                      "`retort cache export` saves what can still be read; then remove the file");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw StorageError(fmt::format("{}: held by another process for more than {} s", name, kPatience / 1000),
                         "end that process, or use another cache");
    case SQLITE_FULL:
      throw StorageError(name + ": cannot be written: no room is left", "make room; what was settled before is kept");
    case SQLITE_IOERR:
      throw StorageError(
          fmt::format("{}: {}: {}", name, said, reason ? std::strerror(reason) : sqlite3_errstr(sqlite3_extended_errcode(handle_))),
          "see that the disk is healthy and has room; what was settled before is kept");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw StorageError(fmt::format("{}: cannot be written: {}", name, said), "check that the file and its folder may be written");
    default:
      throw StorageError(fmt::format("{}: {}", name, said));
  }
}

Rows::~Rows() { sqlite3_reset(statement_); }

bool Rows::next() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.fail(code);
  return code == SQLITE_ROW;
}

int64_t Rows::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Rows::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Rows::text(int column) const {
  const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {bytes ? bytes : "", static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Statement::Statement(const Database& database, const char* sql) : database_(database) {
  const int code = sqlite3_prepare_v3(database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (code != SQLITE_OK) database.fail(code);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::bind(int at, int64_t value) { sqlite3_bind_int64(statement_, at, value); }
void Statement::bind(int at, double value) { sqlite3_bind_double(statement_, at, value); }
void Statement::bind(int at, std::string_view value) {
  sqlite3_bind_text64(statement_, at, value.data() ? value.data() : "", value.size(), SQLITE_STATIC, SQLITE_UTF8);
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace retort

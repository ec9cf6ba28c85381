// SQLite with this project's errors: a file, statements prepared once, transactions that end one way or the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace retort {

class Database {
 public:
  // An empty path: in memory. Throws StorageError for a file that cannot be opened, and where `make` is false DataError for one that is not there.
  Database(std::string path, bool make);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  void run(const char* sql) const;        // statements without results
  int64_t number(const char* sql) const;  // the first column of the first row
  int64_t last_id() const;                // of the row that was inserted last
  int64_t changes() const;                // rows that the last statement touched
  sqlite3* handle() const { return handle_; }
  const std::string& path() const { return path_; }
  // StorageError: no room, not to be written, held by another process. DataError: damaged, or no SQLite file.
  [[noreturn]] void fail(int code) const;

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

// The rows of one statement; what it read is let go when this ends.
class Rows {
 public:
  Rows(const Database& database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  bool next();
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;  // until the next row

 private:
  const Database& database_;
  sqlite3_stmt* statement_;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // With these values for ?1, ?2, …: whole numbers, doubles, texts, which must outlive the rows.
  template <class... Values>
  Rows rows(const Values&... values) {
    int at = 0;
    (bind(++at, values), ...);
    return {database_, statement_};
  }
  template <class... Values>
  void run(const Values&... values) {
    Rows all = rows(values...);
    while (all.next()) continue;
  }

 private:
  void bind(int at, int64_t value);
  void bind(int at, double value);
  void bind(int at, std::string_view value);
  void bind(int at, const std::string& value) { bind(at, std::string_view(value)); }

  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

// Holds the right to write from the start, so that what it reads is still true when it writes. Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

}  // namespace retort

// Every failure a user can meet: one line, one hint, one exit code. The program prints `error: <line>` and `hint: <hint>`.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace retort {

class Error : public std::runtime_error {
 public:
  Error(const std::string& line, std::string hint, int exit_code)
      : std::runtime_error(line), hint_(std::move(hint)), exit_code_(exit_code) {}
  const std::string& hint() const { return hint_; }
  int exit_code() const { return exit_code_; }

 private:
  std::string hint_;
  int exit_code_;
};

// A recipe, a knob or a command line is wrong: `recipes/a.toml:12: train.epochs: …`.
struct ConfigError : Error {
  explicit ConfigError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 2) {}
};
// A method needs to see more of the teacher than this teacher shows.
struct AccessError : Error {
  // `shown`: the level that the teacher shows, where known; the catalogue then lists the methods that would work.
  explicit AccessError(const std::string& line, std::string hint = {}, int shown_level = -1)
      : Error(line, std::move(hint), 2), shown(shown_level) {}
  int shown;
};
// A data file, a weight file or a tensor is not what it should be: says path, offset and what was expected.
struct DataError : Error {
  explicit DataError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 3) {}
};
// Writing failed (full disk, no permission); what was there before is still whole.
struct StorageError : Error {
  explicit StorageError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 3) {}
};
struct TeacherError : Error {
  explicit TeacherError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 4) {}
};
struct BudgetError : Error {
  explicit BudgetError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 5) {}
};
// Training left the finite numbers: names the term and the step; the last good checkpoint is kept.
struct DivergenceError : Error {
  explicit DivergenceError(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 6) {}
};
// SIGINT or SIGTERM, after a checkpoint.
struct Interrupted : Error {
  explicit Interrupted(const std::string& line, std::string hint = {}) : Error(line, std::move(hint), 130) {}
};

// The entry of `known` nearest to `given` (edit distance at most a third of its length), or an empty string.
std::string nearest_name(const std::string& given, const std::vector<std::string>& known);

}  // namespace retort

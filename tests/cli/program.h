// Starts the built program and hears what it says. A start costs most of a second: tests ask for much from each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace retort {

struct Ended {
  int code = -1;
  std::string out, err;
};

class Program {
 public:
  // `prelude`: shell commands before the program takes the shell's place, such as limits.
  explicit Program(const std::vector<std::string>& words, const std::string& prelude = {});
  void send(int signal) const;
  std::string printed() const;  // on stdout, so far
  Ended wait();

 private:
  int process_ = -1;
  std::string out_path_, err_path_;
};

inline Ended retort_program(const std::vector<std::string>& words, const std::string& prelude = {}) {
  return Program(words, prelude).wait();
}

// The exit code, exactly one line `error: …` and one line `hint: …`, nothing else, with these parts in them.
void expect_refused(const Ended& ended, int code, const std::vector<std::string>& parts);

// A folder of the test's own, removed when it ends.
class Folder : public testing::Test {
 protected:
  std::filesystem::path folder;
  void SetUp() override;
  void TearDown() override;
  std::string path(const std::string& name) const { return (folder / name).string(); }
  // A recipe that is done in a moment: `text` is laid over it.
  std::string tiny_recipe(const std::string& name, const std::vector<std::string>& sets = {}) const;
};

}  // namespace retort

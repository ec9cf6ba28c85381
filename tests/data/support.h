// Shared by the tests of data: a folder that vanishes, the error a call throws, the place of the public sets.
#pragma once

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "tests/places.h"

namespace retort {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / fmt::format("retort-data-test-{}-{}", getpid(), count++);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = {}) const { return name.empty() ? path_.string() : (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

// The line of the E that `call` throws; a failed test when it throws none.
template <class E, class Call>
std::string line_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
#define EXPECT_HAS(text, part) EXPECT_TRUE(has(text, part)) << (text)

inline std::string shared_data() { return source_dir() + "/../shared/data"; }
#define NEEDS_SHARED_DATA() \
  if (!std::filesystem::exists(shared_data())) GTEST_SKIP() << "no ../shared/data"

}  // namespace retort

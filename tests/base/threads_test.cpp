#include "retort/base/threads.h"

#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "retort/base/machine.h"
#include "retort/base/version.h"

namespace retort {
namespace {

TEST(Threads, TheRequestDecidesElseTheSizeOfTheWork) {
  use_threads(0, false);
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  const int64_t all = wanted ? threads_in_use() : int64_t(std::thread::hardware_concurrency());
  use_threads(0, true);
  EXPECT_EQ(threads_in_use(), 1);
  use_threads(0, false);
  EXPECT_EQ(threads_in_use(), all);
  use_threads(3, true);
  EXPECT_EQ(threads_in_use(), 3);
  use_threads(0, false);
  EXPECT_EQ(threads_in_use(), all);
}

TEST(Machine, KnowsWhatItRunsOn) {
  EXPECT_NE(libtorch_version().find('.'), std::string::npos);
  EXPECT_NE(blas_in_use().name, "unknown");
  EXPECT_EQ(choose_device("cpu", "r.toml"), at::Device(at::kCPU));
  EXPECT_EQ(std::string(kVersion).find("0."), 0u);
}

}  // namespace
}  // namespace retort

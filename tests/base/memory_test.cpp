#include "retort/base/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "retort/base/tensor.h"

namespace retort {
namespace {

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitised = true;
#elif defined(__has_feature)
constexpr bool kSanitised = __has_feature(address_sanitizer);
#else
constexpr bool kSanitised = false;
#endif

TEST(Memory, FreedBlocksServeAgainWithoutFreshPages) {
  if (kSanitised) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  keep_freed_memory();
  const auto work = [] { at::zeros({4 << 20}, at::TensorOptions(at::kFloat)); };  // 16 MB, 4096 pages
  for (int i = 0; i < 16; ++i) work();                                            // glibc's small-block caches fill before neighbours join
  const int64_t before = page_faults();
  for (int i = 0; i < 10; ++i) work();
  EXPECT_LT(page_faults() - before, 4096);
}

}  // namespace
}  // namespace retort

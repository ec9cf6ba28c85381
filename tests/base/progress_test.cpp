#include "retort/base/progress.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

std::string captured(const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, LeavesOneLineWhenNobodyWatches) {
  const std::string text = captured([] {
    Progress progress("student", 100);
    for (int64_t i = 1; i <= 100; ++i) progress.advance_to(i);  // far less than 10 s: no line in between
    progress.finish("loss 0.5");
    progress.finish();
  });
  EXPECT_EQ(text.find("student: 100 in 0.0 s"), 0u) << text;
  EXPECT_NE(text.find("loss 0.5\n"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, SaysNothingWhenQuiet) {
  EXPECT_EQ(captured([] {
              Progress progress("x", 1, /*quiet=*/true);
              progress.advance_to(1);
              progress.finish();
            }),
            "");
  set_quiet(true);
  EXPECT_EQ(captured([] {
              say("hello");
              Progress("x", 1).finish();
            }),
            "");
  set_quiet(false);
  EXPECT_EQ(captured([] { warn("hello"); }), "warning: hello\n");
}

}  // namespace
}  // namespace retort

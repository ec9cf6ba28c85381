#include "retort/base/children.h"

#include <csignal>

#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(Children, WorkSideBySideAndLeaveFiles) {
  Scratch scratch;
  const auto ends = run_in_children(5, 2, [&](size_t i) { write_file(scratch.file(std::to_string(i)), std::to_string(i * i)); });
  ASSERT_EQ(ends.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(ends[i].exit_code, 0);
    EXPECT_EQ(read_file(scratch.file(std::to_string(i))), std::to_string(i * i));
  }
}

TEST(Children, TellWhatEndedThem) {
  const auto ends = run_in_children(4, 4, [](size_t i) {
    if (i == 0) throw DivergenceError("the loss is NaN", "lower train.lr");
    if (i == 1) throw std::runtime_error("something else");
    if (i == 2) std::raise(SIGKILL);
  });
  EXPECT_EQ(ends[0].exit_code, 6);
  EXPECT_EQ(ends[0].line, "the loss is NaN");
  EXPECT_EQ(ends[0].hint, "lower train.lr");
  EXPECT_EQ(ends[1].exit_code, 1);
  EXPECT_EQ(ends[1].line, "something else");
  EXPECT_EQ(ends[2].exit_code, 1);
  EXPECT_NE(ends[2].line.find("signal 9"), std::string::npos);
  EXPECT_EQ(ends[3].exit_code, 0);
}

TEST(Children, AnInterruptStopsWhatHasNotBegun) {
  install_interrupt_handler();
  std::raise(SIGINT);
  const auto ends = run_in_children(3, 1, [](size_t) {});
  clear_interrupt();
  for (const ChildEnd& end : ends) EXPECT_EQ(end.exit_code, 130);
}

}  // namespace
}  // namespace retort

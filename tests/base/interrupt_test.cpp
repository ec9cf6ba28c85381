#include "retort/base/interrupt.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace retort {
namespace {

TEST(Interrupt, TheFirstSignalIsARequest) {
  install_interrupt_handler();
  clear_interrupt();
  EXPECT_FALSE(interrupt_requested());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupt_requested());
  clear_interrupt();
  std::raise(SIGTERM);
  EXPECT_TRUE(interrupt_requested());
  clear_interrupt();
}

TEST(Interrupt, TheSecondEndsTheProgramAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    install_interrupt_handler();
    clear_interrupt();
    std::raise(SIGINT);
    std::raise(SIGINT);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

}  // namespace
}  // namespace retort

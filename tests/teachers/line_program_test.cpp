#include "retort/teachers/line_program.h"

#include <chrono>
#include <csignal>

#include "tests/support.h"

namespace retort {
namespace {

std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }

Caught failure(const std::string& script, const std::string& line = "x", double timeout = 20) {
  LineProgram program(shell(script), timeout);
  return caught<TeacherError>([&] { program.ask(line); });
}

TEST(LineProgram, OneProgramAnswersManyLines) {
  LineProgram program(shell("n=0; while read -r line; do n=$((n + 1)); echo \"$n:$line\"; done"), 20);
  EXPECT_EQ(program.ask("a"), "1:a");
  EXPECT_EQ(program.ask("b c"), "2:b c");
  EXPECT_EQ(program.ask(""), "3:");
}

TEST(LineProgram, LongLinesPassBothWaysAtOnce) {
  LineProgram program({"cat"}, 60);  // writes back while it reads: neither side may wait for the other
  const std::string line(5'000'000, 'y');
  EXPECT_TRUE(program.ask(line) == line);
  EXPECT_EQ(program.ask("z"), "z");
}

TEST(LineProgram, TalkOnStderrIsNoAnswer) {
  LineProgram program(shell("while read -r line; do head -c 200000 /dev/zero | tr '\\0' 'e' >&2; echo $line; done"), 60);
  EXPECT_EQ(program.ask("a"), "a");
  EXPECT_EQ(program.ask("b"), "b");
}

TEST(LineProgram, ACrashIsToldWithItsLastWords) {
  const Caught crash = failure("read -r line; echo one >&2; echo two >&2; echo three >&2; printf 'Value\\001Error: four\\n' >&2; exit 3");
  EXPECT_NE(crash.line.find(": ended with code 3 before it answered; its stderr: two | three | Value Error: four"), std::string::npos)
      << crash.line;
  EXPECT_EQ(crash.line.find('\n'), std::string::npos);
  EXPECT_NE(failure("read -r line; kill -SEGV $$").line.find("was ended by signal 11 ("), std::string::npos);
  EXPECT_NE(failure("exit 0", std::string(1'000'000, 'x')).line.find(": ended before it answered"), std::string::npos) << "no SIGPIPE";
  EXPECT_NE(failure("exec 0<&-; sleep 0.2; echo no >&2; exit 4", std::string(1'000'000, 'x'))
                .line.find("ended with code 4 before it answered; its stderr: no"),
            std::string::npos);
  EXPECT_NE(failure("read -r line; exec 1>&-; exec sleep 60").line.find("closed its output before it answered"), std::string::npos);
}

TEST(LineProgram, AHangIsAnError) {
  const auto begin = std::chrono::steady_clock::now();
  const Caught hang = failure("echo loading >&2; sleep 60 & sleep 60", "x", 0.3);
  EXPECT_NE(hang.line.find(": gave no answer within 0.3 s; its stderr: loading"), std::string::npos) << hang.line;
  EXPECT_NE(hang.hint.find("teacher.timeout"), std::string::npos);
  EXPECT_NE(failure("exec sleep 60", std::string(1'000'000, 'x'), 0.3).line.find("gave no answer"), std::string::npos)
      << "one that reads nothing";
  EXPECT_NE(failure("while echo -n a; do sleep 0.01; done", "x", 0.3).line.find("gave no answer"), std::string::npos)
      << "one that never ends its line";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(LineProgram, MoreThanOneLineIsAnError) {
  LineProgram program(shell("while read -r line; do printf 'a\\nb\\n'; done"), 20);
  EXPECT_EQ(program.ask("x"), "a");
  EXPECT_NE(caught<TeacherError>([&] { program.ask("x"); }).line.find("said more than it was asked: \"b\""), std::string::npos);
  EXPECT_EQ(program.ask("x"), "a") << "started anew";
}

TEST(LineProgram, OneThatEndedBetweenQuestionsIsTold) {
  LineProgram program(shell("read -r line; echo a; echo gone >&2; exit 5"), 20);
  EXPECT_EQ(program.ask("x"), "a");
  EXPECT_NE(caught<TeacherError>([&] { program.ask("x"); }).line.find("ended with code 5 before it answered; its stderr: gone"),
            std::string::npos);
}

TEST(LineProgram, WhatCannotBeStartedIsTold) {
  EXPECT_EQ(caught<TeacherError>([] {
              LineProgram({"/no/such/program", "-x"}, 1);
            }).line,
            "/no/such/program -x: cannot be started: No such file or directory");
  EXPECT_EQ(caught<TeacherError>([] { LineProgram({"/dev/null"}, 1); }).line, "/dev/null: cannot be started: Permission denied");
  EXPECT_THROW(LineProgram({}, 1), ConfigError);
  EXPECT_THROW(LineProgram({""}, 1), ConfigError);
}

TEST(LineProgram, EndsWhatIgnoresItsEnd) {
  const auto begin = std::chrono::steady_clock::now();
  {
    LineProgram program(shell("trap '' TERM; read -r line; echo a; while :; do sleep 1; done"), 20);
    EXPECT_EQ(program.ask("x"), "a");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

TEST(LineProgram, SigpipeStaysAsItWas) {
  struct sigaction before {
  }, after{};
  ::sigaction(SIGPIPE, nullptr, &before);
  failure("exit 0", std::string(1'000'000, 'x'));
  ::sigaction(SIGPIPE, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGPIPE), 0);
}

}  // namespace
}  // namespace retort

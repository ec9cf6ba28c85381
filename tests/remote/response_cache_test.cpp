#include "retort/remote/response_cache.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retort/base/file.h"
#include "retort/remote/sqlite.h"
#include "tests/support.h"

namespace retort {
namespace {

Answered answer(int number, int64_t reservation = 0, const std::string& url = "http://host/v1") {
  Answered one;
  one.request = {{"model", "m"}, {"prompt", number}};
  one.reply = {{"text", "reply " + std::to_string(number)}};
  one.url = url;
  one.key = request_key(url, one.request, 0);
  one.usage = {1, 10, 5, 0};
  one.reservation = reservation;
  return one;
}

Budget calls(int64_t most) {
  Budget budget;
  budget.max_calls = most;
  budget.price_call = 0.5;
  return budget;
}

int64_t rows_in(const std::string& path, const char* table) {
  return Database(path, false).number(fmt::format("SELECT count(*) FROM {}", table).c_str());
}

// Runs the work in a process of its own and returns its number; the work leaves with its exit code.
template <class Work>
pid_t in_a_child(const Work& work) {
  const pid_t process = ::fork();
  if (process == 0) ::_exit(work());
  return process;
}

int code_of(pid_t process) {
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ResponseCache, KeepsWhatWasAnswered) {
  const Scratch scratch;
  const std::string path = scratch.file("deep/answers.db");
  const Answered one = answer(1);
  {
    ResponseCache cache(path, CacheMode::read_write);
    EXPECT_FALSE(cache.find(one.key));
    cache.settle(calls(0), {one, answer(2)});
    EXPECT_EQ(cache.find(one.key), one.reply);
    EXPECT_EQ(cache.spent("default").calls, 2);
    EXPECT_EQ(cache.spent("default").prompt_tokens, 20);
    EXPECT_EQ(cache.spent("default").completion_tokens, 10);
    EXPECT_DOUBLE_EQ(cache.spent("default").money, 1.0);
    EXPECT_EQ(cache.spent("another").calls, 0);
  }
  ResponseCache again(path, CacheMode::replay_only);
  EXPECT_EQ(again.find(one.key), one.reply);
  EXPECT_EQ(again.spent("default").calls, 2);
  const Caught miss = caught<TeacherError>([&] { again.find(answer(3).key); });
  EXPECT_EQ(miss.line, path + ": has no answer to request " + answer(3).key.substr(0, 12) + "…, and may not ask (replay-only)");
}

TEST(ResponseCache, OffStillCountsMoney) {
  const Scratch scratch;
  ResponseCache cache(scratch.file("a.db"), CacheMode::off);
  cache.settle(calls(0), {answer(1)});
  EXPECT_FALSE(cache.find(answer(1).key));
  EXPECT_DOUBLE_EQ(cache.spent("default").money, 0.5);
  EXPECT_EQ(rows_in(scratch.file("a.db"), "answers"), 0);
}

TEST(ResponseCache, TheFirstAnswerStaysAndBothArePaid) {
  ResponseCache cache("", CacheMode::read_write);
  Answered second = answer(1);
  second.reply = "another";
  cache.settle(calls(0), {answer(1)});
  cache.settle(calls(0), {second});
  EXPECT_EQ(cache.find(second.key), answer(1).reply);
  EXPECT_EQ(cache.spent("default").calls, 2);
}

TEST(ResponseCache, KeepsOddTexts) {
  ResponseCache cache("", CacheMode::read_write);
  Answered odd = answer(1);
  odd.reply = {{"text", std::string("zero \0 and \xff", 12)}, {"long", std::string(1 << 20, 'x')}};
  cache.settle(calls(0), {odd});
  const auto reply = *cache.find(odd.key);
  EXPECT_EQ(reply["text"], std::string("zero \0 and \xEF\xBF\xBD", 14)) << "what is no UTF-8 is replaced";
  EXPECT_EQ(reply["long"].get<std::string>().size(), size_t{1} << 20);
}

TEST(Reservations, CountAgainstEveryLimit) {
  ResponseCache cache("", CacheMode::read_write);
  Budget budget = calls(3);
  const Usage worst = {1, 100, 50, 0};
  const int64_t first = cache.reserve(budget, worst), second = cache.reserve(budget, worst);
  cache.settle(budget, {answer(1, first)});
  cache.reserve(budget, worst);
  const Caught refused = caught<BudgetError>([&] { cache.reserve(budget, worst); });
  EXPECT_EQ(refused.line, "budget \"default\": calls: the limit is 3; 1 spent, up to 2 in flight, up to 1 for this call");
  EXPECT_NE(refused.hint, "");
  cache.release(second);
  cache.reserve(budget, worst);

  budget = calls(0);
  budget.name = "tokens";
  budget.max_prompt_tokens = 150;
  const int64_t token = cache.reserve(budget, worst);
  EXPECT_EQ(caught<BudgetError>([&] { cache.reserve(budget, worst); }).line,
            "budget \"tokens\": prompt tokens: the limit is 150; 0 spent, up to 100 in flight, up to 100 for this call");
  cache.settle(budget, {answer(2, token)});  // it took 10 of the 100
  cache.reserve(budget, worst);

  budget = calls(0);
  budget.name = "money";
  budget.max_money = 1.5;
  for (int i = 0; i < 3; ++i) cache.reserve(budget, worst);  // exactly the limit
  EXPECT_EQ(caught<BudgetError>([&] { cache.reserve(budget, worst); }).line,
            "budget \"money\": money: the limit is 1.5; 0 spent, up to 1.5 in flight, up to 0.5 for this call");
  budget.max_money = 0;
  budget.max_completion_tokens = 49;
  EXPECT_THROW(cache.reserve(budget, worst), BudgetError);
}

TEST(Reservations, EndWithTheCacheObjectAndAreSharedByFile) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");
  ResponseCache mine(path, CacheMode::read_write);
  {
    ResponseCache other(path, CacheMode::read_write);
    other.reserve(calls(1), {1, 0, 0, 0});
    EXPECT_THROW(mine.reserve(calls(1), {1, 0, 0, 0}), BudgetError);
    mine.release(1);  // not its own
    EXPECT_THROW(mine.reserve(calls(1), {1, 0, 0, 0}), BudgetError);
  }
  mine.reserve(calls(1), {1, 0, 0, 0});
}

TEST(Reservations, OfDeadProcessesAreDropped) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");
  const pid_t child = in_a_child([&] {
    ResponseCache theirs(path, CacheMode::read_write);
    theirs.reserve(calls(1), {1, 0, 0, 0});
    std::raise(SIGKILL);
    return 0;
  });
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);  // dead, and not yet buried by its parent
  ResponseCache mine(path, CacheMode::read_write);
  EXPECT_EQ(rows_in(path, "reservations"), 1);
  mine.reserve(calls(1), {1, 0, 0, 0});
  EXPECT_EQ(rows_in(path, "reservations"), 1);
  EXPECT_EQ(code_of(child), -SIGKILL);

  // The number of a process that lives, but another birth: the machine has given it out again.
  Database(path, false)
      .run(fmt::format("INSERT INTO reservations VALUES(NULL, 'default', {}, 'another boot/1', 1, 0, 0, 0)", ::getppid()).c_str());
  EXPECT_THROW(mine.reserve(calls(1), {1, 0, 0, 0}), BudgetError);
  EXPECT_EQ(rows_in(path, "reservations"), 1);
}

TEST(ResponseCache, ProcessesShareOneFile) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");  // not there yet: they race to make it
  const int each = 60;
  const auto work = [&](int which) {
    try {
      ResponseCache cache(path, CacheMode::read_write);
      int refused = 0;
      for (int i = 0; i < each; ++i) {
        try {
          const int64_t reservation = cache.reserve(calls(100), {1, 0, 0, 0});
          cache.settle(calls(100), {answer(which * each + i, reservation)});
        } catch (const BudgetError&) {
          ++refused;
        }
      }
      return refused;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 200;
    }
  };
  const pid_t a = in_a_child([&] { return work(0); }), b = in_a_child([&] { return work(1); });
  const int refused_a = code_of(a), refused_b = code_of(b);
  EXPECT_LT(refused_a, 200);
  EXPECT_LT(refused_b, 200);
  EXPECT_EQ(ResponseCache(path, CacheMode::read_write).spent("default").calls, 100);
  EXPECT_GE(refused_a + refused_b, 2 * each - 100);
  EXPECT_EQ(rows_in(path, "answers"), 100);
  EXPECT_EQ(rows_in(path, "reservations"), 0);
}

TEST(ResponseCache, AKillLosesNothingThatWasSettled) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");
  int number = 0;
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = in_a_child([&] {
      ResponseCache cache(path, CacheMode::read_write);
      for (int i = number;; ++i) {
        const int64_t reservation = cache.reserve(calls(1'000'000), {1, 0, 0, 0});
        cache.settle(calls(1'000'000), {answer(i, reservation)});
        if (::write(ends[1], &i, sizeof i) != sizeof i) return 1;  // a promise: this one is kept
      }
      return 0;
    });
    ::close(ends[1]);
    int last = number - 1;
    ASSERT_EQ(::read(ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
    std::this_thread::sleep_for(std::chrono::microseconds(137 * (round * 7 % 20)));
    ::kill(child, SIGKILL);
    code_of(child);
    while (::read(ends[0], &last, sizeof last) == static_cast<ssize_t>(sizeof last)) continue;
    ::close(ends[0]);

    ResponseCache cache(path, CacheMode::read_write);
    for (int i = 0; i <= last; ++i) ASSERT_EQ(cache.find(answer(i).key), answer(i).reply) << i;
    const Usage spent = cache.spent("default");
    ASSERT_EQ(spent.calls, rows_in(path, "answers")) << "the ledger is the sum of the answers";
    ASSERT_EQ(Database(path, false).number("SELECT sum(prompt_tokens) FROM answers"), spent.prompt_tokens);
    ASSERT_GE(spent.calls, last + 1);
    ASSERT_LE(spent.calls, last + 2) << "one may be settled whose promise was not heard";
    number = static_cast<int>(spent.calls);
  }
  EXPECT_EQ(Database(path, false).number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

TEST(ResponseCache, RefusesOtherFiles) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");
  const auto refusal = [&] { return caught<DataError>([&] { ResponseCache(path, CacheMode::read_write); }).line; };
  write_file(path, std::string(5000, 'x'));
  EXPECT_EQ(refusal(), path + ": not a cache of answers: it is no SQLite file");
  EXPECT_EQ(read_file(path), std::string(5000, 'x'));
  std::filesystem::remove(path);
  Database(path, true).run("CREATE TABLE theirs(a)");
  const std::string before = read_file(path);
  EXPECT_EQ(refusal(), path + ": not a cache of answers: it is the database of another program");
  EXPECT_EQ(read_file(path), before);
  std::filesystem::remove(path);
  ResponseCache(path, CacheMode::read_write);
  Database(path, false).run("PRAGMA user_version = 7");
  EXPECT_EQ(refusal(), path + ": a cache of version 7, and this program knows version 1");
  std::filesystem::remove(path);
  ResponseCache(path, CacheMode::read_write).settle(calls(0), {answer(1)});
  std::string damaged = read_file(path);
  for (size_t i = 4096; i < damaged.size(); ++i) damaged[i] = 'x';
  write_file(path, damaged);
  const std::string line = caught<DataError>([&] { ResponseCache(path, CacheMode::read_write).find(answer(1).key); }).line;
  EXPECT_EQ(line.find(path + ": damaged: "), 0u) << line;
}

TEST(ResponseCache, SaysWhereItCannotWrite) {
  const Scratch scratch;
  EXPECT_THROW(ResponseCache(scratch.path(), CacheMode::read_write), StorageError);  // a folder
  EXPECT_THROW(ResponseCache("/proc/none/a.db", CacheMode::read_write), StorageError);

  // No room: the limit on a file's size stands for the full disk.
  const std::string path = scratch.file("a.db");
  const pid_t child = in_a_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit most = {256 << 10, 256 << 10};
    ::setrlimit(RLIMIT_FSIZE, &most);
    ResponseCache cache(path, CacheMode::read_write);
    for (int i = 0; i < 1000; ++i) {
      Answered one = answer(i);
      one.reply["more"] = std::string(4000, 'x');
      try {
        cache.settle(calls(0), {one});
      } catch (const StorageError& error) {
        const bool whole = cache.spent("default").calls == i && cache.find(answer(0).key) && !cache.find(one.key);
        return whole && std::string(error.what()).find(path + ": ") == 0 ? 0 : 3;
      } catch (const std::exception&) {
        return 4;
      }
    }
    return 2;
  });
  EXPECT_EQ(code_of(child), 0);
  const ResponseCache after(path, CacheMode::read_write);
  EXPECT_GT(after.spent("default").calls, 0);
  EXPECT_EQ(after.spent("default").calls, rows_in(path, "answers"));
}

TEST(ResponseCache, KeepsNoCredentials) {
  const Scratch scratch;
  const std::string path = scratch.file("a.db");
  ResponseCache(path, CacheMode::read_write)
      .settle(calls(0), {answer(1, 0, "https://me:geheim@host:80/v1?x=a@b"), answer(2, 0, "https://host/@me")});
  EXPECT_EQ(read_file(path).find("geheim"), std::string::npos);
  Database file(path, false);
  EXPECT_EQ(file.number("SELECT count(*) FROM answers WHERE url IN ('https://host:80/v1?x=a@b', 'https://host/@me')"), 2);
}

// Printed, and held to a bound that a busy machine keeps too: the aim is 50 us.
TEST(ResponseCache, AHitIsQuick) {
  const Scratch scratch;
  ResponseCache cache(scratch.file("a.db"), CacheMode::read_write);
  std::vector<Answered> answers;
  for (int i = 0; i < 5000; ++i) {
    answers.push_back(answer(i));
    answers.back().reply["text"] = std::string(500, 'a');
  }
  cache.settle(calls(0), answers);
  std::vector<double> times;
  for (int i = 0; i < 5000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const bool hit = cache.find(answers[static_cast<size_t>(i * 7919 % 5000)].key).has_value();
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    ASSERT_TRUE(hit);
  }
  std::sort(times.begin(), times.end());
  std::printf("             cache hit: median %.1f us, 99 %%: %.1f us\n", times[2500], times[4950]);
  EXPECT_LT(times[2500], 500);
}

}  // namespace
}  // namespace retort

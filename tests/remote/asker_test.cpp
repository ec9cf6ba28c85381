// Every way in which an endpoint can fail, and what is kept, paid and said then.
#include "retort/remote/asker.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/remote/chat.h"
#include "tests/remote/fault_server.h"
#include "tests/support.h"

namespace retort {
namespace {

using nlohmann::json;
using testing::Asked;
using testing::FaultServer;
using testing::Wire;

const char* const kSecret = "sk-very-secret-0123456789";

EndpointKnobs quick(const std::string& url) {
  EndpointKnobs knobs;
  knobs.url = url;
  knobs.cache = "";
  knobs.retry_base = 0.002;
  knobs.retry_cap = 0.01;
  knobs.connect_seconds = 5;
  knobs.total_seconds = 20;
  return knobs;
}

Question number(int64_t value) {
  Question question = classifier_question({{static_cast<float>(value)}});
  question.tag = value;
  return question;
}

void answer(Wire& wire) { wire.reply(json{{"probs", {{0.25, 0.75}}}}); }

struct Heard {
  std::set<int64_t> fresh, kept;
};

// Asks about 0 … count-1.
Heard ask_many(Asker& asker, int64_t count, Heard* into = nullptr) {
  Heard own;
  Heard& heard = into ? *into : own;
  int64_t next = 0;
  asker.ask([&]() -> std::optional<Question> { return next == count ? std::optional<Question>() : number(next++); }, check_classifier,
            [&](const Question& question, const json& reply, bool kept) {
              EXPECT_EQ(reply, (json{{"probs", {{0.25, 0.75}}}}));
              EXPECT_TRUE((kept ? heard.kept : heard.fresh).insert(question.tag).second);
            });
  return heard;
}

template <class E = EndpointError>
Caught one_fault(const FaultServer::Handler& handler, int64_t* tries = nullptr) {
  FaultServer server(handler);
  Asker asker(quick(server.url("/v1")));
  const Caught error = caught<E>([&] { asker.ask(number(1), check_classifier); });
  EXPECT_EQ(error.line.substr(0, server.url("/v1").size()), server.url("/v1")) << error.line;
  if (tries) *tries = server.requests();
  return {error.line.substr(std::min(error.line.size(), server.url("/v1").size())), error.hint};
}

FaultServer::Handler says(const std::string& body, const std::string& type = "application/json") {
  return [=](const Asked&, Wire& wire) { wire.reply(200, body, "", type); };
}

TEST(Asker, AnswersAllOnceAndCountsThem) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  EndpointKnobs knobs = quick(server.url());
  knobs.price_call = 0.5;
  knobs.max_calls = 1000;
  Asker asker(knobs);
  EXPECT_EQ(ask_many(asker, 100).fresh.size(), 100u);
  EXPECT_EQ(server.requests(), 100);
  const Heard again = ask_many(asker, 120);
  EXPECT_EQ(again.kept.size(), 100u);
  EXPECT_EQ(again.fresh.size(), 20u);
  EXPECT_EQ(server.requests(), 120);
  EXPECT_EQ(asker.progress().answered, 220);
  EXPECT_EQ(asker.progress().from_cache, 100);
  EXPECT_EQ(asker.progress().spent.calls, 120);
  EXPECT_DOUBLE_EQ(asker.progress().spent.money, 60);
  EXPECT_EQ(asker.cache().spent("default").calls, 120);
  EXPECT_DOUBLE_EQ(asker.cache().spent("default").money, 60);
}

TEST(Asker, EqualQuestionsAreAskedOnce) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.wait(0.02);
    answer(wire);
  });
  Asker asker(quick(server.url()));
  int64_t left = 500, heard = 0, kept = 0;
  asker.ask([&]() -> std::optional<Question> { return left-- > 0 ? number(left % 5) : std::optional<Question>(); }, check_classifier,
            [&](const Question&, const json&, bool from_cache) {
              ++heard;
              kept += from_cache;
            });
  EXPECT_EQ(heard, 500);
  EXPECT_EQ(kept, 495);
  EXPECT_EQ(server.requests(), 5);

  EndpointKnobs off = quick(server.url());
  off.cache_mode = "off";
  Asker always(off);
  ask_many(always, 3);
  ask_many(always, 3);
  EXPECT_EQ(server.requests(), 11);
}

TEST(Asker, KeepsNoMoreInFlightThanAllowed) {
  std::atomic<int> inside{0}, most{0};
  FaultServer server([&](const Asked&, Wire& wire) {
    const int now = ++inside;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) continue;
    wire.wait(0.01);
    --inside;
    answer(wire);
  });
  EndpointKnobs knobs = quick(server.url());
  knobs.concurrency = 5;
  Asker asker(knobs);
  ask_many(asker, 60);
  EXPECT_EQ(most, 5);
}

TEST(Asker, ConnectionRefused) {
  Asker asker(quick("http://127.0.0.1:" + std::to_string(testing::closed_port()) + "/v1"));
  const Caught error = caught<EndpointError>([&] { asker.ask(number(1), check_classifier); });
  EXPECT_NE(error.line.find("/v1: connection refused (5 tries)"), std::string::npos) << error.line;
  EXPECT_EQ(error.hint, "is the server up, and is the URL right?");
  EXPECT_EQ(asker.progress().retries, 4);
  EXPECT_EQ(asker.cache().spent("default").calls, 0);
}

TEST(Asker, UnknownName) {
  EndpointKnobs knobs = quick("http://no-such-host.invalid/v1");
  knobs.tries = 2;
  Asker asker(knobs);
  EXPECT_EQ(caught<EndpointError>([&] { asker.ask(number(1), check_classifier); }).line,
            "http://no-such-host.invalid/v1: the name no-such-host.invalid is not known (2 tries)");
}

TEST(Asker, TlsErrorIsFinal) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  Asker asker(quick(server.url("", "https")));
  const Caught error = caught<EndpointError>([&] { asker.ask(number(1), check_classifier); });
  EXPECT_NE(error.line.find(": TLS: "), std::string::npos) << error.line;
  EXPECT_EQ(error.line.find("tries"), std::string::npos);
}

TEST(Asker, PassingFaultsAreTriedAgain) {
  // Each of the first requests meets another fault; all are answered in the end.
  FaultServer server([](const Asked& asked, Wire& wire) {
    switch (asked.number) {
      case 0:
        wire.wait(30);
        break;  // slow first byte
      case 1:
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"probs");
        wire.wait(30);
        break;  // stall
      case 2:
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{");
        wire.half_close();
        wire.wait(0.05);
        wire.close();
        break;
      case 3:
        wire.close();
        break;
      case 4:
        wire.reply(429, "{}");
        break;
      case 5:
        wire.reply(429, "{}", "Retry-After: 0\r\n");
        break;
      case 6:
        wire.reply(500, "{}");
        break;
      case 7:
        wire.reply(502, "<html>");
        break;
      case 8:
        wire.reply(503, "{}");
        break;
      case 9:
        wire.reply(408, "{}");
        break;
      case 10:
        wire.reply(200, "<html><body>gateway</body></html>", "", "text/html");
        break;
      case 11:
        wire.reply(200, "{\"probs\": [[0.2");
        break;
      case 12:
        wire.reply(200, "");
        break;
      default:
        answer(wire);
    }
  });
  EndpointKnobs knobs = quick(server.url());
  knobs.stall_seconds = 1;
  Asker asker(knobs);
  EXPECT_EQ(ask_many(asker, 40).fresh.size(), 40u);
  EXPECT_EQ(server.requests(), 53);
  EXPECT_EQ(asker.progress().retries, 13);
  // What said 200 is booked; the rest is not.
  EXPECT_EQ(asker.cache().spent("default").calls, 43);
}

TEST(Asker, StormOfErrors) {
  int64_t tries = 0;
  const Caught error = one_fault([](const Asked&, Wire& wire) { wire.reply(500, R"({"error": {"message": "out of cheese"}})"); }, &tries);
  EXPECT_EQ(error.line, ": answered 500 (internal error): out of cheese (5 tries)");
  EXPECT_EQ(tries, 5);
}

TEST(Asker, StormThatPasses) {
  FaultServer server([](const Asked& asked, Wire& wire) { asked.number % 3 == 2 ? answer(wire) : wire.reply(503, "busy"); });
  EndpointKnobs knobs = quick(server.url());
  knobs.tries = 100;
  Asker asker(knobs);
  EXPECT_EQ(ask_many(asker, 30).fresh.size(), 30u);
  EXPECT_EQ(asker.cache().spent("default").calls, 30);
  EXPECT_LT(asker.progress().concurrency, 16);  // it had been too much
}

TEST(Asker, TooManyRequestsThroughout) {
  EXPECT_EQ(one_fault([](const Asked&, Wire& wire) { wire.reply(429, "slow down"); }).line,
            ": answered 429 (too many requests): slow down (5 tries)");
  int64_t tries = 0;
  const Caught patient = one_fault([](const Asked&, Wire& wire) { wire.reply(429, "{}", "Retry-After: 86400\r\n"); }, &tries);
  EXPECT_EQ(patient.line, ": answered 429 (too many requests), and asks to wait 86400 s");
  EXPECT_EQ(tries, 1);
}

TEST(Asker, RetryAfterHoldsEverythingBack) {
  std::atomic<int64_t> first{0}, second{0};
  const auto start = std::chrono::steady_clock::now();
  const auto milliseconds = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  };
  FaultServer server([&](const Asked& asked, Wire& wire) {
    if (asked.number == 0) {
      first = milliseconds();
      return wire.reply(429, "{}", "Retry-After: 1\r\n");
    }
    if (asked.number == 1) second = milliseconds();
    answer(wire);
  });
  EndpointKnobs knobs = quick(server.url());
  knobs.concurrency = 1;
  Asker asker(knobs);
  ask_many(asker, 3);
  EXPECT_GE(second - first, 950);
  EXPECT_EQ(server.requests(), 4);
}

TEST(Asker, RequestsAMinute) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  EndpointKnobs knobs = quick(server.url());
  knobs.requests_per_minute = 600;  // ten a second, ten at once
  Asker asker(knobs);
  const auto start = std::chrono::steady_clock::now();
  ask_many(asker, 15);
  EXPECT_GE(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 0.45);
}

TEST(Asker, RefusalsAreFinal) {
  int64_t tries = 0;
  for (const auto& [status, said] : std::vector<std::pair<int, std::string>>{
           {400, "bad request"}, {401, "unauthorized"}, {403, "forbidden"}, {404, "not found"}, {422, "cannot be processed"}}) {
    const Caught error = one_fault([s = status](const Asked&, Wire& wire) { wire.reply(s, R"({"error": "no"})"); }, &tries);
    EXPECT_EQ(error.line, fmt::format(": answered {} ({}): no", status, said));
    EXPECT_FALSE(error.hint.empty());
    EXPECT_EQ(tries, 1);
  }
  // A key is not sent on to where the server points.
  EXPECT_EQ(one_fault([](const Asked&, Wire& wire) { wire.reply(302, "", "Location: http://elsewhere.invalid/\r\n"); }).line,
            ": answered 302 (moved)");
}

TEST(Asker, RepliesThatCannotBeUsed) {
  int64_t tries = 0;
  EXPECT_EQ(one_fault<BrokenReply>(says("<!doctype html><p>Sign in", "text/html"), &tries).line,
            ": answered with an HTML page instead of JSON (5 tries)");
  EXPECT_EQ(tries, 5);
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[0.5, 0.)")).line, ": answered with JSON that breaks off after 19 bytes (5 tries)");
  EXPECT_EQ(one_fault<BrokenReply>(says("hello")).line, ": answered with something that is not JSON (byte 1 of 5) (5 tries)");
  // What the same question would bring again is not asked for again.
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[NaN, 1.0]]})"), &tries).line, ": answered with NaN instead of a number");
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[null, 1.0]]})")).line,
            ": answered with probs: a value in entry 0 that is no finite number");
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[0.9, 0.6]]})")).line, ": answered with probabilities that sum to 1.5 (entry 0)");
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[1e400, 0]]})")).line, ": answered with JSON with a number beyond all bounds");
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": []})")).line, ": answered with 0 probs for 1 inputs");
  EXPECT_EQ(one_fault<BrokenReply>(says(R"({"probs": [[0.5,0.5],[0.5,0.5]]})")).line, ": answered with 2 probs for 1 inputs");
  EXPECT_EQ(one_fault<BrokenReply>(says(std::string(2000000, '[')), &tries).line,
            ": answered with JSON that breaks off after 2000000 bytes (5 tries)");
  EXPECT_EQ(one_fault<BrokenReply>(says(std::string(200000, '[') + std::string(200000, ']'))).line,
            ": answered with JSON that is no object");
}

TEST(Asker, KeyRevokedHalfWay) {
  ::setenv("RETORT_TEST_KEY", kSecret, 1);
  const Scratch folder;
  std::atomic<int64_t> answered{0};
  FaultServer server([&](const Asked& asked, Wire& wire) {
    EXPECT_NE(asked.head.find(std::string("Authorization: Bearer ") + kSecret + "\r\n"), std::string::npos);
    wire.wait(0.005);
    if (asked.number >= 30) return wire.reply(401, json{{"error", {{"message", std::string("Incorrect key: ") + kSecret}}}}.dump());
    ++answered;
    answer(wire);
  });
  EndpointKnobs knobs = quick(server.url("/v1"));
  knobs.key_env = "RETORT_TEST_KEY";
  knobs.cache = folder.file("answers.db");
  knobs.max_calls = 1000;
  Heard heard;
  {
    Asker asker(knobs);
    const Caught error = caught<EndpointError>([&] { ask_many(asker, 100, &heard); });
    EXPECT_EQ(error.line, server.url("/v1") + ": answered 401 (unauthorized): Incorrect key: [key]");
    EXPECT_EQ(error.hint,
              "is the key in RETORT_TEST_KEY still valid, and may it use this model?; run again to go on: what was answered is kept");
    EXPECT_EQ(asker.cache().spent("default").calls, answered);
  }
  EXPECT_EQ(static_cast<int64_t>(heard.fresh.size()), answered);
  EXPECT_LE(server.requests(), 30 + 16);  // asking stopped
  // Nothing that was answered is asked again.
  knobs.cache_mode = "replay-only";
  Asker replay(knobs);
  for (const int64_t tag : heard.fresh) replay.ask(number(tag), check_classifier);
  EXPECT_THROW(replay.ask(number(1000), check_classifier), TeacherError);
}

TEST(Asker, TheKeyIsNowhere) {
  ::setenv("RETORT_TEST_KEY", kSecret, 1);
  const Scratch folder;
  FaultServer server([&](const Asked& asked, Wire& wire) {
    EXPECT_NE(asked.head.find(std::string("api-key: ") + kSecret + "\r\n"), std::string::npos);
    // A server that repeats what it was sent.
    if (asked.number < 5)
      return wire.reply(json{{"choices", json::array({json{{"message", {{"content", asked.head}}}, {"finish_reason", "stop"}}})}});
    wire.reply(400, asked.head);
  });
  EndpointKnobs knobs = quick(server.url("/v1?api-version=2024-10-21"));
  knobs.key_env = "RETORT_TEST_KEY";
  knobs.key_style = "api-key";
  knobs.cache = folder.file("answers.db");
  {
    Asker asker(knobs);
    for (int64_t i = 0; i < 5; ++i) {
      const auto completion = completions_of(asker.ask(chat_question(knobs, {{"user", "hello"}}, {}, i), check_chat)).front();
      EXPECT_NE(completion.text.find("POST /v1/chat/completions?api-version=2024-10-21 HTTP"), std::string::npos);
      EXPECT_NE(completion.text.find("api-key: [key]"), std::string::npos);
    }
    const Caught error = caught<EndpointError>([&] { asker.ask(chat_question(knobs, {{"user", "hello"}}, {}, 5), check_chat); });
    EXPECT_EQ(error.line.find(kSecret), std::string::npos);
    EXPECT_NE(error.line.find("[key]"), std::string::npos);
    EXPECT_EQ(error.hint.find(kSecret), std::string::npos);
  }
  int files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (!file.is_regular_file()) continue;
    ++files;
    EXPECT_EQ(read_file(file.path()).find(kSecret), std::string::npos) << file.path();
  }
  EXPECT_GT(files, 0);
}

TEST(Asker, BudgetEndsCleanly) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  EndpointKnobs knobs = quick(server.url());
  knobs.max_calls = 20;
  Asker asker(knobs);
  Heard heard;
  EXPECT_NE(caught<BudgetError>([&] { ask_many(asker, 50, &heard); }).line.find("20"), std::string::npos);
  EXPECT_EQ(heard.fresh.size(), 20u);
  EXPECT_EQ(server.requests(), 20);
  EXPECT_EQ(ask_many(asker, 20).kept.size(), 20u);  // costs nothing
}

TEST(Asker, WorstCasesInFlightDoNotEndItEarly) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.wait(0.01);
    wire.reply(json{{"choices", json::array({json{{"message", {{"content", "x"}}}, {"finish_reason", "stop"}}})},
                    {"usage", {{"prompt_tokens", 3}, {"completion_tokens", 1}}}});
  });
  EndpointKnobs knobs = quick(server.url());
  knobs.max_completion_tokens = 250;  // room for two worst cases
  Asker asker(knobs);
  ChatParams params;
  params.max_tokens = 100;
  int64_t next = 0, heard = 0;
  asker.ask(
      [&]() -> std::optional<Question> {
        return next == 40 ? std::optional<Question>() : chat_question(knobs, {{"user", "hello"}}, params, next++);
      },
      check_chat, [&](const Question&, const json&, bool) { ++heard; });
  EXPECT_EQ(heard, 40);
  EXPECT_EQ(asker.cache().spent("default").completion_tokens, 40);
  EXPECT_EQ(asker.cache().spent("default").prompt_tokens, 120);
}

TEST(Asker, InterruptKeepsWhatWasAnswered) {
  FaultServer server([](const Asked&, Wire& wire) {
    wire.wait(0.02);
    answer(wire);
  });
  install_interrupt_handler();
  clear_interrupt();
  Asker asker(quick(server.url()));
  Heard heard;
  int64_t next = 0;
  EXPECT_THROW(asker.ask(
                   [&]() -> std::optional<Question> {
                     if (next == 40) std::raise(SIGINT);
                     return number(next++);
                   },
                   check_classifier, [&](const Question& question, const json&, bool) { heard.fresh.insert(question.tag); }),
               Interrupted);
  clear_interrupt();
  EXPECT_EQ(static_cast<int64_t>(heard.fresh.size()), server.requests());  // those in flight were waited for
  EXPECT_GE(heard.fresh.size(), 40u);
  EXPECT_EQ(ask_many(asker, server.requests()).kept.size(), heard.fresh.size());
}

TEST(Asker, CacheThatCannotBeWritten) {
  EndpointKnobs knobs = quick("http://127.0.0.1:9/");
  knobs.cache = "/proc/nowhere/answers.db";
  EXPECT_THROW(Asker asker(knobs), StorageError);
}

// Asks until the file of answers may grow no further, as on a full disk, and says which were handed over. In a process of its own, which takes
// the limit with it.
[[noreturn]] void ask_on_a_small_disk(const EndpointKnobs& knobs, const std::string& heard_at) {
  std::signal(SIGXFSZ, SIG_IGN);
  Heard heard;
  int code = 1;
  try {
    Asker asker(knobs);
    const rlimit small{300 << 10, 300 << 10};
    ::setrlimit(RLIMIT_FSIZE, &small);
    ask_many(asker, 100000, &heard);
  } catch (const StorageError&) {
    std::ofstream out(heard_at);
    for (const int64_t tag : heard.fresh) out << tag << "\n";
    code = 0;
  } catch (...) {
    code = 2;
  }
  std::_Exit(code);
}

TEST(Asker, DiskThatFillsUp) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  const Scratch folder;
  EndpointKnobs knobs = quick(server.url());
  knobs.cache = folder.file("answers.db");
  const pid_t child = ::fork();
  if (child == 0) ask_on_a_small_disk(knobs, folder.file("heard"));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  // All that was handed over is there, and the file is whole.
  knobs.cache_mode = "replay-only";
  Asker asker(knobs);
  std::ifstream in(folder.file("heard"));
  int64_t heard = 0;
  for (int64_t tag = 0; in >> tag; ++heard) asker.ask(number(tag), check_classifier);
  EXPECT_GT(heard, 20);
}

TEST(Asker, AnErrorOfTheCallerStopsTheAsking) {
  FaultServer server([](const Asked&, Wire& wire) { answer(wire); });
  Asker asker(quick(server.url()));
  int64_t next = 0;
  EXPECT_THROW(asker.ask([&]() -> std::optional<Question> { return number(next++); }, check_classifier,
                         [](const Question&, const json&, bool) { throw StorageError("full"); }),
               StorageError);
  EXPECT_LE(server.requests(), 32);
  EXPECT_EQ(ask_many(asker, server.requests()).kept.size(), static_cast<size_t>(server.requests()));  // paid, so kept
}

TEST(Endpoint, RefusesWhatCannotWork) {
  const auto line = [](const std::function<void(EndpointKnobs&)>& change) {
    EndpointKnobs knobs = quick("https://host/v1");
    change(knobs);
    return caught<ConfigError>([&] { knobs.check(); }).line;
  };
  EXPECT_EQ(line([](auto& k) { k.url = ""; }), "endpoint.url: there is none");
  EXPECT_EQ(line([](auto& k) { k.url = "host/v1"; }), "endpoint.url: 'host/v1' is not a web address");
  EXPECT_EQ(line([](auto& k) { k.url = "https:///v1"; }), "endpoint.url: 'https:///v1' names no host");
  EXPECT_EQ(line([](auto& k) { k.url = "https://me:pass@host/v1"; }), "endpoint.url: holds a name or a password");
  EXPECT_EQ(line([](auto& k) { k.key_env = "RETORT_NO_SUCH_KEY"; }),
            "endpoint.key_env: the environment variable RETORT_NO_SUCH_KEY is not set");
  EXPECT_EQ(line([](auto& k) { k.key_env = "sk-0123"; }), "endpoint.key_env: not the name of an environment variable");
  EXPECT_EQ(line([](auto& k) { k.max_money = 1; }), "endpoint.max_money: nothing has a price");
  EXPECT_EQ(line([](auto& k) { k.price_prompt = 1; }), "endpoint: calls cost money and nothing limits them");
  ::setenv("RETORT_TEST_KEY", "two words", 1);
  EXPECT_EQ(line([](auto& k) { k.key_env = "RETORT_TEST_KEY"; }).find("two words"), std::string::npos);
  ::setenv("RETORT_TEST_KEY", "abc\n", 1);
  EndpointKnobs knobs = quick("https://host/v1");
  knobs.key_env = "RETORT_TEST_KEY";
  EXPECT_EQ(knobs.key(), "abc");
}

TEST(Endpoint, PathsComeBeforeTheQuery) {
  EXPECT_EQ(joined_url("https://h/v1", "/embeddings"), "https://h/v1/embeddings");
  EXPECT_EQ(joined_url("https://h/v1/", "/embeddings"), "https://h/v1/embeddings");
  EXPECT_EQ(joined_url("https://h/d?api-version=1", "/chat/completions"), "https://h/d/chat/completions?api-version=1");
  EXPECT_EQ(joined_url("https://h/classify/", ""), "https://h/classify/");
  EXPECT_EQ(shown_url("https://h/d?sig=abc"), "https://h/d");
}

}  // namespace
}  // namespace retort

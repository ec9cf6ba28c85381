#include <fmt/format.h>

#include "retort/base/file.h"
#include "retort/remote/cache_file.h"
#include "tests/support.h"

namespace retort {
namespace {

Answered answer(int number, const std::string& model = "m") {
  Answered one;
  one.url = "http://host/v1";
  one.request = {{"model", model}, {"prompt", number}};
  one.reply = {{"text", std::string(100, 'r')}};
  one.key = request_key(one.url, one.request, 0);
  one.usage = {1, 7, 3, 0.25};
  return one;
}

// A cache with answers 0 … n-1.
std::string filled(const Scratch& scratch, int n, const std::string& name = "a.db") {
  ResponseCache cache(scratch.file(name), CacheMode::read_write);
  for (int i = 0; i < n; ++i) cache.settle({}, {answer(i)});
  return scratch.file(name);
}

TEST(CacheTools, SumUp) {
  const Scratch scratch;
  const std::string path = filled(scratch, 3);
  ResponseCache(path, CacheMode::read_write).settle({}, {answer(9, "other")});
  const auto summaries = summarise_cache(path);
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0].model, "m");
  EXPECT_EQ(summaries[0].answers, 3);
  EXPECT_EQ(summaries[0].bytes, 3 * static_cast<int64_t>(answer(0).request.dump().size() + answer(0).reply.dump().size()));
  EXPECT_EQ(summaries[1].model, "other");
  EXPECT_EQ(summaries[0].oldest.size(), 20u);
  const auto ledger = ledger_of_cache(path);
  ASSERT_EQ(ledger.size(), 1u);
  EXPECT_EQ(ledger[0].first, "default");
  EXPECT_EQ(ledger[0].second.calls, 4);
  EXPECT_DOUBLE_EQ(ledger[0].second.money, 1.0);
  EXPECT_EQ(caught<DataError>([&] { summarise_cache(scratch.file("none.db")); }).line, scratch.file("none.db") + ": there is no such file");
  EXPECT_FALSE(file_exists(scratch.file("none.db")));
}

TEST(CacheTools, AnswersTravelAsLines) {
  const Scratch scratch;
  const std::string path = filled(scratch, 5), lines = scratch.file("a.jsonl"), copy = scratch.file("b.db");
  EXPECT_EQ(export_cache(path, lines), 5);
  const std::string text = read_file(lines);
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["request"], answer(0).request);
  EXPECT_EQ(first["usage"]["money"], 0.25);
  ResponseCache(copy, CacheMode::read_write).settle({}, {answer(0)});
  EXPECT_EQ(import_cache(copy, lines), 4) << "one was there";
  EXPECT_EQ(import_cache(copy, lines), 0);
  ResponseCache cache(copy, CacheMode::replay_only);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cache.find(answer(i).key), answer(i).reply);
  EXPECT_EQ(cache.spent("default").calls, 1) << "what others paid is not this ledger's";
  EXPECT_EQ(export_cache(copy, scratch.file("b.jsonl")), 5);
  EXPECT_EQ(read_file(scratch.file("b.jsonl")), text) << "dates and usage travel too";
  EXPECT_EQ(export_cache(path, "/dev/null"), 5);
  // A link stays one: what it points to is written.
  std::filesystem::create_symlink(scratch.file("b.jsonl"), scratch.file("link"));
  write_file(scratch.file("b.jsonl"), "");
  EXPECT_EQ(export_cache(path, scratch.file("link")), 5);
  EXPECT_TRUE(std::filesystem::is_symlink(scratch.file("link")));
  EXPECT_EQ(read_file(scratch.file("b.jsonl")), text);
  EXPECT_THROW(export_cache(path, scratch.file("no/folder.jsonl")), StorageError);
  EXPECT_THROW(export_cache(path, "/dev/full"), StorageError);
}

TEST(CacheTools, BadLinesImportNothing) {
  const Scratch scratch;
  const std::string path = filled(scratch, 2), lines = scratch.file("a.jsonl"), copy = scratch.file("b.db");
  export_cache(path, lines);
  const std::string good = read_file(lines);
  auto line = nlohmann::json::parse(good.substr(0, good.find('\n')));
  const auto refusal = [&](const std::string& last) {
    write_file(lines, good + last + "\n");
    return caught<DataError>([&] { import_cache(copy, lines); }).line;
  };
  EXPECT_EQ(refusal("{\"key\": "), lines + ":3: expected one JSON object a line");
  EXPECT_EQ(refusal("[]"), lines + ":3: expected one JSON object a line");
  const auto changed = [&](const char* name, const nlohmann::json& value) {
    auto other = line;
    other[name] = value;
    return other.dump();
  };
  EXPECT_EQ(refusal(changed("key", "abc")), lines + ":3: \"key\": expected 64 hex digits");
  EXPECT_EQ(refusal(changed("url", 4)), lines + ":3: \"url\": expected a text");
  EXPECT_EQ(refusal(changed("at", "yesterday")), lines + ":3: \"at\": expected a date like 2026-01-02T03:04:05Z");
  EXPECT_EQ(refusal(changed("usage", {{"calls", -1}})), lines + ":3: \"usage\": expected \"calls\", a number that is not negative");
  line.erase("reply");
  EXPECT_EQ(refusal(line.dump()), lines + ":3: \"reply\" is missing");
  EXPECT_TRUE(summarise_cache(copy).empty());
  EXPECT_THROW(import_cache(copy, scratch.file("none.jsonl")), DataError);
  EXPECT_THROW(import_cache(copy, scratch.path()), DataError);
}

TEST(CacheTools, PruneForgetsTheOldAndKeepsTheLedger) {
  const Scratch scratch;
  const std::string path = filled(scratch, 400);
  Database(path, false).run("UPDATE answers SET at = at - 10 * 86400 WHERE rowid <= 100");
  const auto size = std::filesystem::file_size(path);
  EXPECT_EQ(prune_cache(path, 11, 0), 0);
  EXPECT_EQ(prune_cache(path, 9, 0), 100);
  const int64_t each = static_cast<int64_t>(answer(399).request.dump().size() + answer(399).reply.dump().size());
  EXPECT_EQ(prune_cache(path, 0, 10 * each), 290);
  ResponseCache cache(path, CacheMode::read_write);
  EXPECT_TRUE(cache.find(answer(390).key));
  EXPECT_FALSE(cache.find(answer(389).key));
  EXPECT_EQ(cache.spent("default").calls, 400);
  EXPECT_LT(std::filesystem::file_size(path), size / 2);
}

TEST(ProcessBirth, TellsProcessesApart) {
  EXPECT_EQ(birth_of_process(::getpid()), birth_of_process(::getpid()));
  EXPECT_NE(birth_of_process(::getpid()), "");
  EXPECT_EQ(birth_of_process(0x7fffffff), "");
}

}  // namespace
}  // namespace retort

#include "retort/teachers/signal_writer.h"

#include <csignal>
#include <random>

#include <sys/resource.h>
#include <sys/wait.h>

#include "retort/base/file.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

SignalHeader text_header() {
  SignalHeader header;
  header.columns = {signal_columns::ids(), signal_columns::text()};
  header.teacher = "a chat";
  header.data = "prompts";
  return header;
}

SignalHeader logits_header(int64_t classes = 3) {
  SignalHeader header;
  header.classes = classes;
  header.columns = {signal_columns::ids(), signal_columns::logits(classes)};
  header.teacher = "fixed";
  header.data = "tiny";
  return header;
}

Signals logits_of(const Tensor& ids, double offset = 0) {
  Signals said;
  said.logits = ids.to(at::kFloat).unsqueeze(1) + at::tensor({0.0f, 0.5f, 0.25f}) + offset;
  return said;
}

void append(SignalWriter& writer, int64_t first, int64_t last, double offset = 0) {
  const Tensor ids = at::arange(first, last, at::kLong);
  writer.append(ids, logits_of(ids, offset));
}

void expect_holds(const SignalStore& store, const Tensor& ids) {
  EXPECT_TRUE(at::equal(std::get<0>(store.ids().sort()), ids));
  EXPECT_TRUE(at::equal(store.read("logits", ids), logits_of(ids).logits));
}

TEST(SignalWriter, TextsComeBackToTheLetter) {
  Scratch scratch;
  Completion rich{"Grüße\n", "because", "stop", {{"Grü", -0.5, {{"Grü", -0.5}, {"Hal", -1.25}}}, {std::string("\0\xff", 2), -2, {}}}, {}};
  Completion cut;
  cut.text = std::string(5000, 'x');
  cut.finish_reason = "length";
  const std::vector<TextRow> rows = {{rich, cut}, {}, {cut}};
  SignalWriter writer(scratch.file("s"), text_header(), 2);
  writer.append(at::tensor(std::vector<int64_t>{7, -3, int64_t{1} << 50}, at::kLong), rows);
  writer.seal();
  const auto store = SignalStore::open(scratch.file("s"));
  EXPECT_EQ(store->access(), Access::text);
  store->verify();
  const auto back = store->read_text(at::tensor(std::vector<int64_t>{int64_t{1} << 50, 7, -3}, at::kLong));
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(back[0][0].text, cut.text);
  EXPECT_TRUE(back[0][0].truncated());
  ASSERT_EQ(back[1].size(), 2u);
  EXPECT_EQ(back[1][0].text, rich.text);
  EXPECT_EQ(back[1][0].reasoning, "because");
  ASSERT_EQ(back[1][0].tokens.size(), 2u);
  EXPECT_EQ(back[1][0].tokens[0].top, rich.tokens[0].top);
  EXPECT_EQ(back[1][0].tokens[1].token, rich.tokens[1].token);
  EXPECT_EQ(back[1][0].tokens[1].logprob, -2);
  EXPECT_TRUE(back[2].empty());
  Completion broken;
  broken.tokens = {{"a", std::nan(""), {}}};
  EXPECT_EQ(caught<TeacherError>([&] { writer.append(at::tensor({9}, at::kLong), {{broken}}); }).line,
            "a chat: a token's log-probability for sample id 9 is not a number");
  EXPECT_FALSE(writer.has(9));
}

TEST(SignalWriter, GoesOnWhereAnotherStopped) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  {
    SignalWriter writer(path, logits_header(), 4);
    append(writer, 0, 10);
    EXPECT_EQ(writer.count(), 10);
    EXPECT_EQ(SignalStore::open(path)->count(), 8);                   // the last two wait
    EXPECT_THROW(SignalWriter(path, logits_header()), StorageError);  // one writer at a time
  }
  {
    SignalWriter writer(path, logits_header(), 4);
    EXPECT_EQ(writer.count(), 8);
    EXPECT_TRUE(writer.has(7));
    EXPECT_FALSE(writer.has(8));
    EXPECT_EQ(caught<ConfigError>([&] { append(writer, 7, 9); }).line, path + ": sample id 7 is there already");
    EXPECT_EQ(writer.count(), 8);
    append(writer, 8, 12);
    writer.seal();
    writer.seal();
  }
  EXPECT_TRUE(SignalStore::open(path)->sealed());
  const std::string sealed = read_file(path);
  {
    SignalWriter writer(path, logits_header());
    writer.seal();
  }
  EXPECT_EQ(read_file(path), sealed);  // nothing new, nothing touched
  {
    SignalWriter writer(path, logits_header());
    append(writer, 12, 13);
    writer.flush();
    EXPECT_FALSE(SignalStore::open(path)->sealed());
    writer.seal();
  }
  const auto store = SignalStore::open(path);
  store->verify();
  EXPECT_EQ(store->blocks().size(), 4u);
  expect_holds(*store, at::arange(13, at::kLong));
}

TEST(SignalWriter, RefusesAnotherCapture) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  { SignalWriter writer(path, logits_header()); }
  EXPECT_EQ(caught<ConfigError>([&] { SignalWriter(path, logits_header(4)); }).line,
            path + ": holds signals of another capture: classes: 3 and 4");
  write_file(path, "something that a user wrote and wants to keep");
  EXPECT_THROW(SignalWriter(path, logits_header()), DataError);
  EXPECT_EQ(read_file(path), "something that a user wrote and wants to keep");
  EXPECT_THROW(SignalWriter(scratch.file("no/folder"), logits_header()), StorageError);
}

// A block that the disk spoiled: its rows are asked for again, the rest stays.
TEST(SignalWriter, StrikesOutDamagedBlocks) {
  Scratch scratch;
  for (const bool sealed : {true, false}) {
    for (const size_t where : {size_t{1}, size_t{200}}) {  // header, data
      const std::string path = scratch.file("s");
      std::filesystem::remove(path);
      {
        SignalWriter writer(path, logits_header(), 2);
        append(writer, 0, 6);
        if (sealed) writer.seal();
      }
      std::string bytes = read_file(path);
      const size_t spoiled = SignalStore::open(path)->blocks()[1].offset + where;
      bytes[spoiled] = static_cast<char>(bytes[spoiled] ^ 32);
      write_file(path, bytes);
      {
        SignalWriter writer(path, logits_header(), 2);
        EXPECT_EQ(writer.ids(), (std::vector<int64_t>{0, 1, 4, 5}));
        EXPECT_EQ(writer.warnings().size(), 1u);
        EXPECT_NO_THROW(SignalStore::open(path)->verify());
        append(writer, 2, 4);
        writer.seal();
      }
      const auto store = SignalStore::open(path);
      EXPECT_TRUE(store->sealed());
      store->verify();
      expect_holds(*store, at::arange(6, at::kLong));
    }
  }
}

TEST(SignalWriter, EveryTornEndIsCut) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  {
    SignalWriter writer(path, logits_header(), 3);
    append(writer, 0, 6);
    writer.seal();
  }
  const std::string bytes = read_file(path);
  const size_t from = SignalStore::open(path)->blocks()[0].bytes;
  for (size_t length = 0; length < bytes.size(); length += length < from ? 53 : 97) {
    write_file(path, bytes.substr(0, length));
    SignalWriter writer(path, logits_header(), 3);
    const int64_t there = writer.count();
    EXPECT_TRUE(there == 0 || there == 3 || there == 6) << length;
    append(writer, there, 6);
    writer.seal();
    EXPECT_EQ(read_file(path), bytes) << length;
  }
}

// A capture that is killed at any moment and started again, until it is through.
TEST(SignalWriter, SurvivesKills) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  std::mt19937 random(3);
  int kills = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
      SignalWriter writer(path, logits_header(), 5);
      for (int64_t id = 0; id < 400; ++id) {
        if (!writer.has(id)) append(writer, id, id + 1);
      }
      writer.seal();
      ::_exit(0);
    }
    ::usleep(std::uniform_int_distribution<useconds_t>(500, kills < 20 ? 20000 : 2000000)(random));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++kills;
    if (std::filesystem::exists(path) && std::filesystem::file_size(path) > 1000) {
      const auto store = SignalStore::open(path);
      EXPECT_EQ(store->read("logits", store->ids()).size(0), store->count());
    }
  }
  EXPECT_GT(kills, 0);
  const auto store = SignalStore::open(path);
  EXPECT_TRUE(store->sealed());
  store->verify();
  EXPECT_TRUE(at::equal(store->ids(), at::arange(400, at::kLong)));
  expect_holds(*store, at::arange(400, at::kLong));
}

TEST(SignalWriter, AFullDiskLosesNothingThatWasWhole) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int refused = 0;
    SignalWriter writer(path, logits_header(), 10);
    try {
      for (int64_t id = 0; id < 500; ++id) append(writer, id, id + 1);
    } catch (const StorageError&) {
      refused = 1;
    }
    ::_exit(refused == 1 && writer.count() > 10 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  const auto store = SignalStore::open(path);
  store->verify();  // no torn end either
  EXPECT_GE(store->count(), 10);
  expect_holds(*store, at::arange(store->count(), at::kLong));
}

TEST(SignalMerge, JoinsPartsAndRefusesContradictions) {
  Scratch scratch;
  const auto part = [&](const std::string& name, int64_t first, int64_t last, double offset = 0) {
    SignalWriter writer(scratch.file(name), logits_header(), 2);
    append(writer, first, last, offset);
    writer.seal();
    return scratch.file(name);
  };
  const std::string a = part("a", 0, 5), b = part("b", 3, 9), c = part("c", 4, 6, 1), out = scratch.file("out");
  const MergeSummary summary = merge_signal_stores({a, b}, out);
  EXPECT_EQ(summary.rows, 9);
  EXPECT_EQ(summary.repeated, 2);
  const auto store = SignalStore::open(out);
  EXPECT_TRUE(store->sealed());
  expect_holds(*store, at::arange(9, at::kLong));
  EXPECT_EQ(caught<DataError>([&] {
              merge_signal_stores({a, b, c}, scratch.file("no"));
            }).line,
            fmt::format("{} and {} hold different 'logits' for sample id 4", a, c));
  { SignalWriter writer(scratch.file("d"), logits_header(4)); }
  EXPECT_EQ(caught<ConfigError>([&] {
              merge_signal_stores({a, scratch.file("d")}, scratch.file("no"));
            }).line,
            fmt::format("{} and {} hold different signals: classes: 3 and 4", a, scratch.file("d")));
  EXPECT_THROW(merge_signal_stores({}, scratch.file("no")), ConfigError);
  EXPECT_THROW(merge_signal_stores({a}, scratch.file("no/folder")), StorageError);
  EXPECT_FALSE(std::filesystem::exists(scratch.file("no")));
}

}  // namespace
}  // namespace retort

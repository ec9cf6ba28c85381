// `retort capture` against an endpoint on this machine (stub_endpoint.py) that counts what it answers.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "retort/base/file.h"
#include "retort/base/sha256.h"
#include "retort/remote/response_cache.h"
#include "retort/teachers/signal_store.h"
#include "tests/places.h"

namespace retort {
namespace {

using nlohmann::json;

constexpr const char* kKey = "sk-hush-4711-no-file-may-hold-this";

// The stub, for as long as this lives.
class Stub {
 public:
  Stub(const std::string& log, const std::vector<std::string>& more = {}) : log_(log) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    process_ = fork();
    if (process_ == 0) {
      dup2(ends[1], 1);
      close(ends[0]);
      const std::string script = source_dir() + "/tests/cli/stub_endpoint.py";
      std::vector<const char*> words = {"python3", script.c_str(), log.c_str()};
      for (const std::string& word : more) words.push_back(word.c_str());
      words.push_back(nullptr);
      execvp("python3", const_cast<char* const*>(words.data()));
      _exit(127);
    }
    close(ends[1]);
    FILE* out = fdopen(ends[0], "r");
    char line[32] = "";
    port_ = std::fgets(line, sizeof line, out) ? std::atoi(line) : 0;
    std::fclose(out);
  }
  ~Stub() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  bool up() const { return port_ > 0; }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  // Digests of the bodies answered so far, in order.
  std::vector<std::string> answered() const {
    std::vector<std::string> digests;
    std::ifstream file(log_);
    for (std::string path, digest; file >> path >> digest;)
      if (path != "/v1/batches") digests.push_back(digest);
    return digests;
  }

 private:
  std::string log_;
  int process_ = -1, port_ = 0;
};

class Capture : public Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "python3 is not here";
    setenv("RETORT_TEST_KEY", kKey, 1);
  }

  std::string classifier(const Stub& stub, const std::string& more = {}, int items = 4) {
    const std::string text = "[data]\nsource = \"digits\"\ntrain = 400\ntest = 100\nsplit_seed = 0\n[endpoint]\nurl = \"" +
                             stub.url("/classify") + "\"\nkey_env = \"RETORT_TEST_KEY\"\nitems = " + std::to_string(items) +
                             "\nconcurrency = 4\nretry_base = 0.01\ncache = \"" + path("answers.db") + "\"\n" + more;
    write_file(path("capture.toml"), text);
    return path("capture.toml");
  }

  std::string chat(const Stub& stub, const std::string& more = {}) {
    std::string prompts;
    for (int i = 0; i < 12; ++i)
      prompts += json{{"id", 100 + i}, {"prompt", (i % 2 ? "Say a number for " : "Name a colour for ") + std::to_string(i)}}.dump() + "\n";
    write_file(path("prompts.jsonl"), prompts);
    write_file(path("chat.toml"), "[capture]\nprompts = \"" + path("prompts.jsonl") +
                                      "\"\nsamples = 3\nmax_tokens = 8\ntopk = 2\nblock_rows = 4\n[endpoint]\nurl = \"" + stub.url("/v1") +
                                      "\"\napi = \"chat\"\nmodel = \"stub\"\nkey_env = \"RETORT_TEST_KEY\"\nprice_prompt = "
                                      "1.0\nprice_completion = 2.0\nmax_money = 1.0\nretry_base = 0.01\ncache = \"" +
                                      path("answers.db") + "\"\n" + more);
    return path("chat.toml");
  }

  void expect_no_key_in_files() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) EXPECT_EQ(read_file(entry.path().string()).find(kKey), std::string::npos) << entry.path();
  }
};

Tensor sorted_ids(const SignalStore& store) { return std::get<0>(store.ids().sort()); }

void expect_equal_stores(const std::string& a, const std::string& b, const std::string& column) {
  const auto one = SignalStore::open(a), other = SignalStore::open(b);
  const Tensor ids = sorted_ids(*one);
  ASSERT_TRUE(at::equal(ids, sorted_ids(*other)));
  EXPECT_TRUE(at::equal(one->read(column, ids), other->read(column, ids)));
}

// One capture of two hundred questions, cut off twenty times at moments drawn at random, from before the first answer on: nothing that was answered and kept is asked again, the ledger agrees
// with the server up to what was in flight, and the store is that of a run that nobody stopped.
TEST_F(Capture, SurvivesTwentyKills) {
  Stub stub(path("server.log"), {"--key", kKey, "--latency", "0.03"});
  ASSERT_TRUE(stub.up());
  const std::string recipe = classifier(stub, "[capture]\nblock_rows = 32\n", /*items=*/2), store = path("broken.signals");
  std::mt19937 dice(7);
  std::uniform_int_distribution<size_t> answers(0, 7);
  std::uniform_int_distribution<useconds_t> microseconds(0, 60'000);
  int kills = 0;
  size_t known_until = 0;
  std::set<std::string> kept;
  const auto no_kept_answer_is_asked_again = [&] {
    const auto all = stub.answered();
    for (size_t i = known_until; i < all.size(); ++i) EXPECT_EQ(kept.count(all[i]), 0u) << "request " << i << " was answered before";
  };
  for (int attempt = 0; attempt < 20; ++attempt) {
    Program program({"capture", recipe, "-o", store, "--resume", "--quiet"});
    const size_t enough = known_until + answers(dice);
    for (int wait = 0; wait < 2000 && stub.answered().size() < enough; ++wait) usleep(5'000);
    usleep(microseconds(dice));
    program.send(SIGKILL);
    if (program.wait().code == 1000 + SIGKILL) ++kills;
    no_kept_answer_is_asked_again();
    usleep(60'000);  // the server ends what it was at
    known_until = stub.answered().size();
    kept.clear();
    if (!file_exists(path("answers.db"))) continue;
    export_cache(path("answers.db"), path("kept.jsonl"));
    std::ifstream lines(path("kept.jsonl"));
    for (std::string line; std::getline(lines, line);) kept.insert(sha256_of(json::parse(line).at("request").dump()));
  }
  const Ended last = retort_program({"capture", recipe, "-o", store, "--resume", "--json", "--quiet"});
  ASSERT_EQ(last.code, 0) << last.err;
  no_kept_answer_is_asked_again();
  EXPECT_GE(kills, 15) << "it was too quick to be killed";
  const auto all = stub.answered();
  const auto asked = static_cast<int64_t>(all.size());
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 200u);
  EXPECT_LE(asked, 200 + 4 * kills);
  const auto ledger = ledger_of_cache(path("answers.db"));
  ASSERT_EQ(ledger.size(), 1u);
  EXPECT_GE(ledger[0].second.calls, 200);
  EXPECT_LE(std::abs(ledger[0].second.calls - asked), 4 * kills);
  const json facts = json::parse(last.out);
  EXPECT_EQ(facts.at("stored"), 400);
  EXPECT_EQ(facts.at("missing"), 0);

  const std::string whole = path("whole.signals");  // from the cache: not one request more
  ASSERT_EQ(retort_program({"capture", recipe, "-o", whole, "--quiet"}).code, 0);
  EXPECT_EQ(static_cast<int64_t>(stub.answered().size()), asked);
  expect_equal_stores(store, whole, "logits");
  ASSERT_EQ(retort_program({"capture", recipe, "-o", path("fresh.signals"), "--quiet", "--set", "endpoint.cache=" + path("fresh.db")}).code,
            0);
  expect_equal_stores(store, path("fresh.signals"), "logits");
  expect_no_key_in_files();
}

TEST_F(Capture, ADryRunTellsWhatTheRunSpends) {
  Stub stub(path("server.log"), {"--key", kKey});
  ASSERT_TRUE(stub.up());
  const std::string recipe = classifier(stub, "price_call = 0.01\nmax_money = 100\n");
  const Ended dry = retort_program({"capture", recipe, "-o", path("a.signals"), "--dry-run", "--json"});
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_TRUE(stub.answered().empty());
  EXPECT_FALSE(file_exists(path("a.signals")));
  EXPECT_FALSE(file_exists(path("answers.db")));
  const json plan = json::parse(dry.out);
  const Ended real = retort_program({"capture", recipe, "-o", path("a.signals"), "--json", "--quiet"});
  ASSERT_EQ(real.code, 0) << real.err;
  const json spent = json::parse(real.out).at("spent");
  EXPECT_EQ(plan.at("worst").at("calls"), 100);
  EXPECT_EQ(plan.at("worst").at("calls"), spent.at("calls"));
  EXPECT_NEAR(plan.at("worst").at("money").get<double>(), spent.at("money").get<double>(), 1e-9);
  EXPECT_EQ(stub.answered().size(), 100u);
  const Ended again = retort_program({"capture", recipe, "-o", path("a.signals"), "--dry-run", "--json"});
  EXPECT_EQ(json::parse(again.out).at("worst").at("calls"), 0);
  EXPECT_EQ(json::parse(again.out).at("stored"), 400);
}

TEST_F(Capture, ABudgetThatRunsOutEndsCleanly) {
  Stub stub(path("server.log"), {"--key", kKey});
  ASSERT_TRUE(stub.up());
  const std::string recipe = classifier(stub, "max_calls = 30\n"), store = path("a.signals");
  expect_refused(retort_program({"capture", recipe, "-o", store, "--quiet"}), 5,
                 {"calls", "120 of 400 samples are stored, 280 are missing", "--resume"});
  EXPECT_EQ(SignalStore::open(store)->count(), 120);
  expect_refused(retort_program({"capture", recipe, "-o", store, "--quiet"}), 2, {"there is a store already", "--resume"});
  const Ended rest = retort_program({"capture", recipe, "-o", store, "--resume", "--quiet", "--json", "--set", "endpoint.max_calls=200"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(json::parse(rest.out).at("stored"), 400);
  EXPECT_EQ(stub.answered().size(), 100u);
}

TEST_F(Capture, ShardsMakeTheWhole) {
  Stub stub(path("server.log"), {"--key", kKey});
  ASSERT_TRUE(stub.up());
  const std::string recipe = classifier(stub, "[capture]\ntopk = 3\nlabels = true\n");
  ASSERT_EQ(retort_program({"capture", recipe, "-o", path("whole.signals"), "--quiet"}).code, 0);
  std::vector<std::string> words = {"capture", "merge", path("merged.signals")};
  for (const char* shard : {"0/3", "1/3", "2/3"}) {
    words.push_back(path("part" + std::string(1, shard[0]) + ".signals"));
    const Ended part = retort_program({"capture", recipe, "-o", words.back(), "--shard", shard, "--quiet"});
    ASSERT_EQ(part.code, 0) << part.err;
  }
  const Ended merged = retort_program(words);
  ASSERT_EQ(merged.code, 0) << merged.err;
  for (const char* column : {"logits", "labels", "topk_values", "topk_indices", "topk_tail"})
    expect_equal_stores(path("merged.signals"), path("whole.signals"), column);
  expect_refused(retort_program({"capture", recipe, "-o", path("x.signals"), "--shard", "3/3"}), 2, {"--shard 3/3", "0 <= i < n"});
}

TEST_F(Capture, ChatIsAskedLiveOrInBatches) {
  Stub stub(path("server.log"), {"--key", kKey, "--batch-fails", "5"});
  ASSERT_TRUE(stub.up());
  const std::string recipe = chat(stub);
  const Ended live = retort_program({"capture", recipe, "-o", path("live.signals"), "--json", "--quiet"});
  ASSERT_EQ(live.code, 0) << live.err;
  EXPECT_EQ(stub.answered().size(), 12u) << "three samples come in one call";
  const auto texts = SignalStore::open(path("live.signals"));
  const std::vector<TextRow> rows = texts->read_text(at::tensor(std::vector<int64_t>{103}, at::kLong));
  ASSERT_EQ(rows.at(0).size(), 3u);
  EXPECT_EQ(rows[0][0].text.rfind("answer ", 0), 0u);
  EXPECT_NE(rows[0][0].text, rows[0][1].text);
  ASSERT_EQ(rows[0][0].tokens.size(), 2u);
  EXPECT_NEAR(rows[0][0].tokens[0].logprob, -0.1, 1e-3);

  // The same in batches: two of twelve fail there and are asked live; ten are paid half.
  const Ended batched = retort_program({"capture", recipe, "-o", path("batched.signals"), "--batch", "--json", "--set",
                                        "endpoint.cache=" + path("batch.db"), "--set", "batch.poll_seconds=0.05", "--set",
                                        "batch.requests=7"});
  ASSERT_EQ(batched.code, 0) << batched.err;
  EXPECT_EQ(stub.answered().size(), 12u + 2u - 0u) << batched.err;
  const auto same = SignalStore::open(path("batched.signals"))->read_text(texts->ids()), first = texts->read_text(texts->ids());
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t s = 0; s < 3; ++s) EXPECT_EQ(first[i][s].text, same[i][s].text);
  const double paid = json::parse(live.out).at("spent").at("money"), less = json::parse(batched.out).at("spent").at("money");
  EXPECT_NEAR(less / paid, (10 * 0.5 + 2) / 12, 0.05);
  EXPECT_FALSE(file_exists(path("batched.signals.batches.json")));
  expect_no_key_in_files();
}

TEST_F(Capture, ABatchIsCollectedAfterAKill) {
  Stub stub(path("server.log"), {"--key", kKey, "--polls", "30"});
  ASSERT_TRUE(stub.up());
  const std::string recipe = chat(stub), store = path("b.signals");
  const std::vector<std::string> words = {
      "capture", recipe, "-o", store, "--batch", "--resume", "--quiet", "--set", "batch.poll_seconds=0.1"};
  {
    Program program(words);
    for (int i = 0; i < 200 && !file_exists(store + ".batches.json"); ++i) usleep(50'000);
    usleep(400'000);
    program.send(SIGKILL);
    EXPECT_EQ(program.wait().code, 1000 + SIGKILL);
  }
  ASSERT_TRUE(file_exists(store + ".batches.json"));
  const Ended rest = retort_program(words);
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(SignalStore::open(store)->count(), 12);
  EXPECT_TRUE(stub.answered().empty()) << "all came by the batch";
  const std::string log = read_file(path("server.log"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << "one batch:\n" << log;
}

TEST_F(Capture, EmbeddingsKnowTheirSizeFromTheFirstAnswer) {
  Stub stub(path("server.log"), {"--key", kKey});
  ASSERT_TRUE(stub.up());
  const std::string recipe = chat(stub, "items = 5\n");
  ASSERT_EQ(retort_program({"capture", recipe, "-o", path("e.signals"), "--quiet", "--set", "endpoint.api=embeddings"}).code, 0);
  EXPECT_EQ(stub.answered().size(), 3u);
  const auto store = SignalStore::open(path("e.signals"));
  EXPECT_EQ(store->read("embedding", store->ids()).sizes(), (std::vector<int64_t>{12, 6}));
}

TEST_F(Capture, ATeacherOfThisProcessGoesOnWhereItWasStopped) {
  write_file(path("t.toml"),
             "[data]\nsource = \"digits\"\ntrain = 300\ntest = 100\nsplit_seed = 0\n[teacher]\nkind = \"random\"\nnet = "
             "\"mlp-16\"\n[capture]\nlabels = true\nblock_rows = 50\nbatch = 50\n");
  ASSERT_EQ(retort_program({"capture", path("t.toml"), "-o", path("whole.signals"), "--quiet"}).code, 0);
  ASSERT_EQ(retort_program({"capture", path("t.toml"), "-o", path("torn.signals"), "--quiet"}).code, 0);
  std::filesystem::resize_file(path("torn.signals"), std::filesystem::file_size(path("torn.signals")) * 3 / 5);
  const Ended rest = retort_program({"capture", path("t.toml"), "-o", path("torn.signals"), "--resume", "--json", "--quiet"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_GT(json::parse(rest.out).at("had"), 0);
  EXPECT_LT(json::parse(rest.out).at("had"), 300);
  expect_equal_stores(path("whole.signals"), path("torn.signals"), "logits");
}

TEST_F(Capture, RefusesWhatCannotBe) {
  write_file(path("both.toml"), "[endpoint]\nurl = \"http://127.0.0.1:1\"\n[teacher]\nkind = \"random\"\n");
  expect_refused(retort_program({"capture", path("both.toml")}), 2, {"both.toml", "[endpoint]", "[teacher]"});
  write_file(path("none.toml"), "[endpoint]\nurl = \"http://127.0.0.1:1/v1\"\napi = \"chat\"\n");
  expect_refused(retort_program({"capture", path("none.toml")}), 2, {"capture.prompts"});
  write_file(path("bad.jsonl"), "{\"prompt\": \"a\"}\n{\"prompt\": 3}\n");
  expect_refused(retort_program({"capture", path("none.toml"), "--set", "capture.prompts=" + path("bad.jsonl")}), 3,
                 {"bad.jsonl:2", "prompt"});
  expect_refused(retort_program({"capture", path("none.toml"), "--set", "capture.promts=x"}), 2, {"capture.promts", "capture.prompts"});
}

}  // namespace
}  // namespace retort

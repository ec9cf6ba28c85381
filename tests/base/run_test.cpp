#include "retort/base/run.h"

#include <csignal>
#include <fstream>

#include <sys/resource.h>
#include <sys/wait.h>

#include "retort/base/file.h"
#include "tests/support.h"

namespace retort {
namespace {

namespace fs = std::filesystem;

// Tests of run folders work in a folder of their own.
class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    home_ = fs::current_path();
    fs::current_path(scratch_.path());
  }
  void TearDown() override { fs::current_path(home_); }
  Scratch scratch_;
  fs::path home_;
};

Recipe recipe(const std::vector<std::string>& sets = {}) {
  return Recipe::parse("method = \"ce\"\nseed = 3\n", "recipes/little.toml", sets);
}

nlohmann::json json_of(const std::string& path) { return nlohmann::json::parse(read_file(path)); }

std::vector<nlohmann::json> rows(const std::string& path) {
  std::vector<nlohmann::json> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

TEST_F(RunTest, WritesItsRecipeAndItsFacts) {
  retort::Run run(recipe({"run.dir=r"}));
  EXPECT_FALSE(fs::exists("r"));  // nothing before open()
  run.open();
  EXPECT_EQ(run.dir, "r");
  EXPECT_EQ(json_of("r/run.json")["status"], "running");
  run.log_row({{"phase", "student"}, {"step", 1}, {"loss", 0.5}});
  run.outcome.metrics["accuracy"] = 0.97;
  run.outcome.panels.push_back({{"kind", "curve"}});
  run.save("checkpoints/a.safetensors", State{{{"w", at::ones({2})}}, {{"step", 1}}});
  run.finish();

  const auto facts = json_of("r/run.json");
  EXPECT_EQ(facts["status"], "finished");
  EXPECT_EQ(facts["method"], "ce");
  EXPECT_EQ(facts["name"], "little");  // of the recipe's file
  EXPECT_EQ(facts["seed"], 3);
  EXPECT_EQ(facts["metrics"]["accuracy"], 0.97);
  EXPECT_EQ(facts["panels"].size(), 1u);
  EXPECT_EQ(facts["started"].get<std::string>().size(), 20u);
  EXPECT_GE(facts["seconds"].get<double>(), 0);
  EXPECT_EQ(facts["recipe_digest"].get<std::string>().size(), 16u);
  for (const char* key : {"retort", "libtorch", "blas"}) EXPECT_TRUE(facts["versions"].contains(key)) << key;
  for (const char* key : {"cpu_seconds", "threads", "data", "table", "device"}) EXPECT_TRUE(facts.contains(key)) << key;
  EXPECT_EQ(rows("r/metrics.jsonl").at(0)["loss"], 0.5);

  Recipe resolved = Recipe::load("r/recipe.toml");
  EXPECT_EQ(resolved.read<RunKnobs>("").seed, 3);
  EXPECT_EQ(resolved.read<RunFolderKnobs>("run").checkpoint_seconds, 30);
  resolved.finish();
}

TEST_F(RunTest, ABadRecipeLeavesNothingBehind) {
  retort::Run run(recipe({"run.dir=r", "run.threds=2"}));
  const Caught error = caught<ConfigError>([&] { run.open(); });
  EXPECT_EQ(error.line, "--set run.threds=2: run.threds: unknown key");
  EXPECT_EQ(error.hint, "did you mean run.threads?");
  EXPECT_TRUE(fs::is_empty("."));
  EXPECT_EQ(caught<ConfigError>([&] { retort::Run bad(recipe({"seed=-1"})); }).line,
            "--set seed=-1: seed: expected a whole number >= 0, received -1");
}

TEST_F(RunTest, CountsItsFoldersUp) {
  retort::Run first(recipe()), second(recipe()), third(recipe({"name=a/b"}));
  first.open(), second.open(), third.open();
  EXPECT_EQ(first.dir.find("runs/20"), 0u);
  EXPECT_EQ(first.dir.substr(15), "-little");
  EXPECT_EQ(second.dir, first.dir + "-2");
  EXPECT_EQ(third.dir.substr(15), "-a-b");
}

TEST_F(RunTest, RefusesAFolderThatHoldsARun) {
  { retort::Run(recipe({"run.dir=r"})).open(); }
  retort::Run again(recipe({"run.dir=r"}));
  EXPECT_EQ(caught<ConfigError>([&] { again.open(); }).line, "r: the folder holds a run already");
}

TEST_F(RunTest, RefusesAFolderOfOtherThings) {
  make_folders("r");
  write_file("r/thesis.tex", "precious");
  for (bool resume : {false, true}) {
    retort::Run run(recipe({"run.dir=r"}), resume);
    EXPECT_EQ(caught<ConfigError>([&] { run.open(); }).line, "r: the folder is not empty, and not a run's: it holds thesis.tex");
  }
  EXPECT_EQ(read_file("r/thesis.tex"), "precious");
}

TEST_F(RunTest, RefusesAFolderThatCannotBeWritten) {
  write_file("file", "x");
  retort::Run run(recipe({"run.dir=file/r"}));
  EXPECT_NE(caught<StorageError>([&] { run.open(); }).line.find("file/r: the folder cannot be made: "), std::string::npos);
}

TEST_F(RunTest, RefusesAFolderThatAnotherProcessUses) {
  int ready[2], done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  char byte = 'x';
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(done[1]);
    retort::Run run(recipe({"run.dir=r"}));
    run.open();
    [[maybe_unused]] auto sent = ::write(ready[1], &byte, 1);
    [[maybe_unused]] auto got = ::read(done[0], &byte, 1);
    ::_exit(0);
  }
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  for (bool resume : {false, true}) {
    retort::Run run(recipe({"run.dir=r"}), resume);
    EXPECT_EQ(caught<ConfigError>([&] { run.open(); }).line, "r: the run folder is in use by another process");
  }
  ::close(done[1]);
  ::waitpid(child, nullptr, 0);
  retort::Run run(recipe({"run.dir=r"}), true);  // the lock dies with its process
  run.open();
  EXPECT_TRUE(run.resume);
}

TEST_F(RunTest, ResumesTheSameRecipeOnly) {
  std::string started;
  {
    retort::Run run(recipe({"run.dir=r"}));
    run.open();
    run.log_row({{"step", 1}});
    run.finish("interrupted");
    started = json_of("r/run.json")["started"];
  }
  write_file("r/.half.123.part", "what a killed process left");
  {
    retort::Run other(recipe({"run.dir=r", "seed=4"}), true);
    EXPECT_EQ(caught<ConfigError>([&] { other.open(); }).line, "r: the folder holds a run of another recipe");
  }
  for (auto set : {"run.threads=1", "run.checkpoint_seconds=5", "name=else"}) {  // what does not change the result may change
    retort::Run run(recipe({"run.dir=r", set}), true);
    run.open();
    EXPECT_TRUE(run.resume);
    EXPECT_EQ(json_of("r/run.json")["started"], started);
  }
  EXPECT_FALSE(fs::exists("r/.half.123.part"));
  EXPECT_EQ(rows("r/metrics.jsonl").size(), 1u);
}

TEST_F(RunTest, ResumesFromTheResolvedRecipeInTheFolder) {
  std::string dir;
  {
    retort::Run run(recipe());
    run.open();
    dir = run.dir;
  }
  retort::Run again(Recipe::load(dir + "/recipe.toml"), true);
  again.open();
  EXPECT_TRUE(again.resume);
  EXPECT_EQ(again.dir, dir);
}

TEST_F(RunTest, ResumesTheNewestRunOfTheRecipeOrBeginsOne) {
  retort::Run fresh(recipe(), true);
  fresh.open();
  EXPECT_FALSE(fresh.resume);
  const std::string dir = fresh.dir;
  fresh.folder.reset();
  retort::Run other(recipe({"seed=9"}));
  other.open();
  retort::Run again(recipe(), true);
  again.open();
  EXPECT_TRUE(again.resume);
  EXPECT_EQ(again.dir, dir);
}

TEST_F(RunTest, AskingForCudaWithoutItIsAConfigError) {
  if (retort::Run(recipe({"run.device=auto"})).device.is_cuda()) GTEST_SKIP() << "there is CUDA here";
  const Caught error = caught<ConfigError>([] { retort::Run run(recipe({"run.device=cuda"})); });
  EXPECT_EQ(error.line, "--set run.device=cuda: run.device: \"cuda\" asks for CUDA, but libtorch finds no CUDA device");
  EXPECT_FALSE(error.hint.empty());
  EXPECT_EQ(caught<ConfigError>([] { retort::Run run(recipe({"run.device=tpu"})); }).line,
            "--set run.device=tpu: run.device: expected auto, cpu, cuda or cuda:N, received \"tpu\"");
}

TEST_F(RunTest, AFullDiskStopsTheLogWithoutHalfARow) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    MetricsLog log("m.jsonl");
    for (int i = 0; i < 100; ++i) log.add({{"step", i}});
    log.length();
    const rlimit limit{2000, 2000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      for (int i = 100; i < 200; ++i) log.add({{"step", i}});
      log.length();
    } catch (const StorageError&) {
      ::_exit(0);
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(rows("m.jsonl").size(), 100u);
}

TEST_F(RunTest, TheLogIsCutBackToTheCheckpoint) {
  MetricsLog log("m.jsonl");
  EXPECT_EQ(log.length(), 0);
  log.add({{"step", 1}});
  const int64_t length = log.length();
  EXPECT_EQ(length, int64_t(fs::file_size("m.jsonl")));
  log.add({{"step", 2}});
  log.cut(length);
  log.add({{"step", 3}});
  EXPECT_GT(log.length(), length);
  const auto kept = rows("m.jsonl");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0]["step"], 1);
  EXPECT_EQ(kept[1]["step"], 3);
  EXPECT_NE(caught<DataError>([&] { log.cut(100000); }).line.find("m.jsonl: "), std::string::npos);
}

TEST_F(RunTest, TheLogGoesOnInAnotherProcess) {
  { MetricsLog("m.jsonl").add({{"step", 1}}); }
  { MetricsLog("m.jsonl").add({{"step", 2}, {"loss", NAN}}); }
  const auto kept = rows("m.jsonl");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_TRUE(kept[1]["loss"].is_null());
}

}  // namespace
}  // namespace retort

// The engine on a real but tiny proof: two arms, three seeds, two epochs on 60 digits.
#include "retort/catalogue/proof.h"

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/catalogue/evidence.h"
#include "retort/catalogue/proof_jobs.h"
#include "retort/data/sources.h"

namespace retort {
namespace {
namespace fs = std::filesystem;

class ProofRun : public testing::Test {
 protected:
  fs::path folder = fs::path(testing::TempDir()) / "retort-proof-test";
  ProofOptions options;

  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    write_file((folder / "tiny.toml").string(),
               "method = \"ce\"\n[run]\nlatency = false\n[data]\nsource = \"digits\"\ntrain = 60\ntest = 100\n[student]\nnet = "
               "\"mlp-8\"\n[train]\nepochs = 2\n");
    options.jobs = 0;
    options.quiet = true;
    options.sets = {"run.cache=\"" + folder.string() + "/cache\""};
  }
  void TearDown() override { fs::remove_all(folder); }

  Proof proof(const std::string& arms, const std::string& expect = "better = \"accuracy: a >= a\"") {
    return parse_proof(
        "recipe = \"" + (folder / "tiny.toml").string() + "\"\nclaim = \"c\"\nseeds = 3\n[arms]\n" + arms + "\n[expect]\n" + expect + "\n",
        (folder / "tiny-proof.toml").string());
  }
};

TEST_F(ProofRun, EqualArmsAreEqualOverAllSeeds) {
  const ProofOutcome outcome = prove(proof("a = {}\nb = { name = \"other\" }", "same = \"accuracy: a == b\"\nnll = \"nll: a == b\""),
                                     options);
  ASSERT_TRUE(outcome.complete()) << outcome.failures[0];
  EXPECT_EQ(outcome.section["verdict"], "holds");
  EXPECT_EQ(outcome.section["arms"][0]["metrics"]["accuracy"].size(), 3u);
  EXPECT_EQ(outcome.section["expectations"][1]["surplus"]["per_seed"], nlohmann::json::parse("[0.0, 0.0, 0.0]"));
}

TEST_F(ProofRun, AFailingArmIsNamedAndTheOthersGoOn) {
  const ProofOutcome outcome = prove(proof("a = {}\nbad = { knobs = { nonsense = 1 } }"), options);
  EXPECT_FALSE(outcome.complete());
  ASSERT_EQ(outcome.failures.size(), 3u);
  EXPECT_EQ(outcome.failures[0].rfind("arm bad, seed 0: ", 0), 0u) << outcome.failures[0];
  EXPECT_NE(outcome.failures[0].find("nonsense"), std::string::npos) << outcome.failures[0];
  EXPECT_EQ(outcome.section["verdict"], "incomplete");
  EXPECT_EQ(outcome.section["arms"][0]["metrics"]["accuracy"].size(), 3u);
}

TEST_F(ProofRun, DoneRunsAreNotRunAgain) {
  const Proof once = proof("a = {}");
  const ProofOutcome first = prove(once, options), second = prove(once, options);
  EXPECT_EQ(first.section["wall_seconds"], second.section["wall_seconds"]) << "a fresh run would have taken another time";
  ProofOptions other = options;
  other.seed_offset = 10;
  EXPECT_EQ(prove(once, other).section["seeds"], nlohmann::json::parse("[10, 11, 12]"));
}

TEST_F(ProofRun, AnInterruptStopsBeforeTheNextRun) {
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(prove(proof("a = {}"), options), Interrupted);
  clear_interrupt();
  EXPECT_TRUE(prove(proof("a = {}"), options).complete());
}

TEST_F(ProofRun, SmokeRunsEveryArmAndAsksForItsMetrics) {
  EXPECT_TRUE(smoke(proof("a = {}")).failures.empty());
  EXPECT_EQ(smoke(proof("a = {}\nbad = { method = \"nothing\" }")).failures.size(), 1u);
  try {
    smoke(proof("a = {}", "odd = \"beauty: a >= 1\""));
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("expect.odd: arm a reports no metric \"beauty\""), std::string::npos) << error.what();
  }
}

TEST_F(ProofRun, SmokeLeavesOutWhatNeedsDataThatIsNotHere) {
  try {
    DataKnobs knobs;
    knobs.source = "cifar-100";
    open_source(knobs, Seed(1));
    GTEST_SKIP() << "cifar-100 is here";
  } catch (const AbsentData&) {
  }
  const SmokeOutcome outcome = smoke(proof("a = {}\nfar = { data.source = \"cifar-100\" }"));
  EXPECT_TRUE(outcome.failures.empty());
  ASSERT_EQ(outcome.left_out.size(), 1u);
  EXPECT_EQ(outcome.left_out[0], "arm far, seed 0: the data set cifar-100 is not on this machine");
}

TEST_F(ProofRun, AnUnknownDataVariantListsThoseThereAre) {
  ProofOptions other = options;
  other.data = "mars";
  try {
    prove(proof("a = {}"), other);
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.hint(), "it has: digits");
  }
}

TEST_F(ProofRun, EvidenceKeepsASectionForEachDataSet) {
  const std::string evidence = (folder / "evidence").string();
  nlohmann::json section = prove(proof("a = {}"), options).section;
  write_evidence(evidence, section);
  section["data"] = "mnist";
  write_evidence(evidence, section);
  const auto file = nlohmann::json::parse(read_file(evidence + "/tiny-proof.json"));
  EXPECT_EQ(file["data"].size(), 2u);
  EXPECT_EQ(file["data"]["digits"]["claim"], "c");
  EXPECT_EQ(file.dump().find(folder.string() + "/cache"), std::string::npos) << "paths do not belong in evidence";
}

TEST_F(ProofRun, TheReportShowsEveryNumberThatIsCompared) {
  const ProofOutcome outcome = prove(
      proof("a = {}\nb = { method = \"ls\" }", "same = { test = \"nll: a <= b + 100\", claim = \"the sentence\" }"), options);
  const std::string text = evidence_text(outcome.section);
  for (const char* part : {"tiny-proof on digits, 3 seeds: c", "claim: the sentence", "mean met: yes", "verdict: holds", "nll"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

}  // namespace
}  // namespace retort

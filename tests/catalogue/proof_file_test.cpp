#include "retort/catalogue/proof_file.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

const char* kProof = R"(recipe = "recipes/kd.hinton.toml"
claim = "soft targets beat labels"
seeds = 3
[arms]
kd = {}
ce = { method = "ce", "train.epochs" = 2, train.lr = 0.5 }
nested = { knobs = { temperature = 2.0 } }
[expect]
over_ce = "accuracy: kd >= ce + 0.7"
curious = { test = "ece: kd <= ce", claim = "a sentence", kind = "report" }
[data.mnist]
"data.source" = "mnist"
)";

TEST(ProofFile, ReadsArmsInTheOrderOfTheFile) {
  const Proof proof = parse_proof(kProof, "proofs/kd.test.toml");
  EXPECT_EQ(proof.id, "kd.test");
  EXPECT_EQ(proof.seeds, (std::vector<int64_t>{0, 1, 2}));
  ASSERT_EQ(proof.arms.size(), 3u);
  EXPECT_EQ(proof.arms[0].name, "kd");
  EXPECT_EQ(proof.arms[0].toml, "");
  EXPECT_EQ(proof.arms[1].toml, "method = \"ce\"\ntrain.epochs = 2\ntrain.lr = 0.5\n");
  EXPECT_EQ(proof.arms[2].toml, "knobs.temperature = 2.0\n");
  EXPECT_EQ(proof.arms[1].where, "proofs/kd.test.toml:6: arms.ce");
  ASSERT_EQ(proof.data.size(), 1u);
  EXPECT_EQ(proof.data[0].name, "mnist");
  EXPECT_EQ(proof.data[0].toml, "data.source = \"mnist\"\n");
}

TEST(ProofFile, ExpectationsAreSentencesOrTables) {
  const Proof proof = parse_proof(kProof, "proofs/kd.test.toml");
  ASSERT_EQ(proof.expectations.size(), 2u);
  EXPECT_TRUE(proof.expectations[0].must);
  EXPECT_FALSE(proof.expectations[1].must);
  EXPECT_EQ(proof.expectations[1].claim, "a sentence");
  EXPECT_EQ(proof.expectations[1].expectation.metric, "ece");
}

TEST(ProofFile, SeedsMayBeAList) {
  std::string text = kProof;
  text.replace(text.find("seeds = 3"), 9, "seeds = [7, 11]");
  EXPECT_EQ(parse_proof(text, "p.toml").seeds, (std::vector<int64_t>{7, 11}));
}

void expect_refused(const std::string& from, const std::string& to, const std::string& line, const std::string& hint) {
  std::string text = kProof;
  text.replace(text.find(from), from.size(), to);
  try {
    parse_proof(text, "p.toml");
    ADD_FAILURE() << "read: " << to;
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what(), line);
    EXPECT_EQ(error.hint(), hint);
  }
}

TEST(ProofFile, RefusalsNameTheLineAndTheNearestName) {
  expect_refused("claim =", "claims =", "p.toml:2: claims: unknown key", "did you mean \"claim\"?");
  expect_refused("kd >= ce + 0.7", "nestd >= ce", "p.toml:9: expect.over_ce: there is no arm \"nestd\"", "did you mean \"nested\"?");
  expect_refused("kd >= ce + 0.7", "teacher >= ce", "p.toml:9: expect.over_ce: there is no arm \"teacher\"", "arms: kd, ce, nested");
  expect_refused("seeds = 3", "seeds = 0", "p.toml:3: seeds: expected a count above 0 or a list of seeds, received 0", "write seeds = 5");
  expect_refused("kd = {}", "kd-2 = {}", "p.toml:5: arms.kd-2: an arm's name is letters, digits and _",
                 "expectations name arms inside arithmetic");
  expect_refused("kind = \"report\"", "kind = \"maybe\"", "p.toml:10: expect.curious.kind: expected must or report, received maybe",
                 "must decides the verdict");
  expect_refused("kd = {}", "kd = 4", "p.toml:5: arms.kd: expected a table of overrides", "write kd = { method = \"ce\" }");
}

}  // namespace
}  // namespace retort

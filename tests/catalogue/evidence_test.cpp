#include "retort/catalogue/evidence.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/catalogue/proof_file.h"

namespace retort {
namespace {
using nlohmann::json;

TEST(Evidence, StatusNamesEveryDataSetAndAProofThatHasChanged) {
  EXPECT_EQ(proof_status({"kd.hinton", {}}), "not run");
  const json current = {{"data", "digits"}, {"verdict", "holds"}, {"proof_digest", load_proof("kd.hinton").digest}};
  const json earlier = {{"data", "mnist"}, {"verdict", "undecided"}, {"proof_digest", "0123456789abcdef"}};
  EXPECT_EQ(proof_status({"kd.hinton", {current, earlier}}), "holds (digits), undecided (mnist; the proof has changed since)");
}

TEST(Evidence, ADamagedFileIsRefusedAndLeftAsItIs) {
  const std::string folder = testing::TempDir() + "retort-evidence-test";
  std::filesystem::create_directories(folder);
  write_file(folder + "/x.json", "{\"data\": 3}");
  EXPECT_THROW(write_evidence(folder, {{"id", "x"}, {"data", "digits"}}), DataError);
  EXPECT_EQ(read_file(folder + "/x.json"), "{\"data\": 3}");
  std::filesystem::remove_all(folder);
}

TEST(Evidence, MeansHaveAsManyDecimalsAsTheySay) {
  const json arm = json::parse(R"({"metrics": {"accuracy": [88, 90, null], "nll": [0.5, 0.51]}})");
  EXPECT_EQ(mean_and_deviation(arm, "accuracy"), "89.00 ± 1.41");
  EXPECT_EQ(mean_and_deviation(arm, "nll"), "0.505 ± 0.007");
  EXPECT_EQ(mean_and_deviation(arm, "beauty"), "-");
}

}  // namespace
}  // namespace retort

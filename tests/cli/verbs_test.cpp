// The verbs on one small run: what they print is JSON on stdout and nothing else there.
#include <csignal>
#include <thread>

#include <nlohmann/json.hpp>

#include "program.h"
#include "retort/base/file.h"
#include "retort/data/image.h"

namespace retort {
namespace {
using nlohmann::json;

class Verbs : public Folder {
 protected:
  static json parsed(const Ended& ended) {
    EXPECT_EQ(ended.code, 0) << ended.err;
    json value = json::parse(ended.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(value.is_discarded()) << ended.out;
    return value;
  }
};

TEST_F(Verbs, ARunIsScoredAskedAndShown) {
  const std::string recipe = tiny_recipe("r.toml", {"train.epochs=10"});
  const json run = parsed(retort_program({"distill", recipe, "--dir", path("run"), "--json", "--quiet"}));
  for (const char* file : {"recipe.toml", "run.json", "metrics.jsonl", "student.safetensors", "config.json", "report.html"})
    EXPECT_TRUE(file_exists(path("run/" + std::string(file)))) << file;

  const json scores = parsed(retort_program({"eval", path("run"), "--json"}));
  EXPECT_EQ(scores["samples"], 100);
  EXPECT_DOUBLE_EQ(scores["metrics"]["accuracy"], run["metrics"]["accuracy"]) << "the same test part, the same student";

  write_file(path("one.png"), encode_png(at::zeros({1, 8, 8}, at::kByte)));
  const json answers = parsed(retort_program({"predict", path("run"), path("one.png"), path("one.png"), "--json", "--top", "10"}));
  ASSERT_EQ(answers.size(), 2u);
  double sum = 0;
  for (const json& one : answers[0]["top"]) sum += one["probability"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(answers[0]["class"], answers[1]["class"]);
}

TEST_F(Verbs, APackedStudentRunsFromItsFile) {
  const std::string recipe = tiny_recipe(
      "q.toml", {"method=quant-distill", "knobs.lambda=0.0", "knobs.bits=2", "knobs.bucket=32", "knobs.compare=[]", "student.net=mlp-32"});
  const json run = parsed(retort_program({"distill", recipe, "--dir", path("run"), "--json", "--quiet", "--no-report"}));
  EXPECT_FALSE(file_exists(path("run/student.safetensors")));
  EXPECT_DOUBLE_EQ(parsed(retort_program({"eval", path("run"), "--json"}))["metrics"]["accuracy"], run["metrics"]["accuracy"]);
  // The file alone, somewhere else, is a model too.
  write_file(path("elsewhere.packed"), read_file(path("run/student.packed")));
  write_file(path("one.png"), encode_png(at::zeros({1, 8, 8}, at::kByte)));
  EXPECT_EQ(parsed(retort_program({"predict", path("elsewhere.packed"), path("one.png"), "--json"})).size(), 1u);
  std::string damaged = read_file(path("run/student.packed"));
  damaged[damaged.size() / 2] ^= 1;
  write_file(path("damaged.packed"), damaged);
  expect_refused(retort_program({"predict", path("damaged.packed"), path("one.png")}), 3,
                 {"damaged.packed: not a whole packed model: its checksum differs"});
}

TEST_F(Verbs, TeachersAreRankedBeforeAnyTraining) {
  const std::string recipe = tiny_recipe("t.toml", {"method=ce", "train.epochs=10"});
  parsed(retort_program({"distill", recipe, "--dir", path("taught"), "--json", "--quiet", "--no-report"}));
  const json ranked = parsed(retort_program({"rank-teachers", "mlp-16", path("taught"), "--data", "digits", "--probe", "100", "--json"}));
  EXPECT_EQ(ranked["samples"], 100);
  ASSERT_EQ(ranked["candidates"].size(), 2u);
  EXPECT_EQ(ranked["candidates"][0]["candidate"], path("taught")) << "who learned digits stands above a net drawn at random";
  EXPECT_GT(ranked["candidates"][0]["weight"].get<double>(), ranked["candidates"][1]["weight"].get<double>());
  EXPECT_GT(ranked["candidates"][0]["similarity"]["parc"].get<double>(), ranked["candidates"][1]["similarity"]["parc"].get<double>());

  expect_refused(retort_program({"rank-teachers", path("nobody.pt"), "--data", "digits"}), 3, {"nobody.pt"});
  expect_refused(retort_program({"rank-teachers", "mlp-16", "--by", "parcel"}), 2, {"--by"});
  expect_refused(retort_program({"rank-teachers", "mlp-16", "--set", "data.sourse=digits"}), 2, {"data.sourse"});
}

TEST_F(Verbs, ADetectorIsScoredAndAsked) {
  const std::string recipe = tiny_recipe(
      "d.toml", {"method=bckd", "knobs.cls_weight=0.0", "knobs.loc_weight=0.0", "data.source=world:canvas,rows=30,test_rows=8",
                 "data.train=30", "data.test=8", "student.net=dense-3-4-5"});
  const json run = parsed(retort_program({"distill", recipe, "--dir", path("run"), "--json", "--quiet", "--no-report"}));
  EXPECT_DOUBLE_EQ(parsed(retort_program({"eval", path("run"), "--json"}))["metrics"]["ap50"], run["metrics"]["ap50"]);
  write_file(path("one.png"), encode_png(at::zeros({1, 48, 48}, at::kByte)));
  EXPECT_TRUE(parsed(retort_program({"predict", path("run"), path("one.png"), "--json"}))[0]["objects"].is_array());
}

TEST_F(Verbs, AStudyRunsSideBySide) {
  const std::string recipe = tiny_recipe(
      "s.toml", {"method=kd-study", "data.validation=50", "teacher.net=mlp-12", "teacher.train.epochs=2", "knobs.temperatures=[4]",
                 "knobs.weights=[0, 0.5]", "knobs.students=[\"mlp-4\"]", "knobs.teachers=[\"best:\"]", "knobs.seeds=1"});
  const json study = parsed(retort_program({"study", recipe, "--dir", path("run"), "--jobs", "2", "--json", "--quiet"}));
  EXPECT_GE(study["metrics"]["runs"], 4);
  EXPECT_TRUE(file_exists(path("run/report.html")));
  expect_refused(retort_program({"distill", recipe}), 2, {"kd-study belongs to `retort study`"});
}

TEST_F(Verbs, TheCatalogueSpeaksJson) {
  const json one = parsed(retort_program({"methods", "kd.hinton", "--json"}));
  EXPECT_EQ(one["knobs"][0]["key"], "temperature");
  EXPECT_EQ(one["knobs"][0]["default"], 4.0);
  EXPECT_EQ(one["knobs"][0]["range"], "> 0");
  EXPECT_TRUE(parsed(retort_program({"doctor", "--json"})).contains("BLAS"));
}

TEST_F(Verbs, AnInterruptedRunGoesOn) {
  std::vector<std::string> words = {
      "distill", tiny_recipe("long.toml", {"train.epochs=400", "student.net=\"mlp-64\""}), "--quiet", "--no-report", "--dir", path("run")};
  Program program(words);
  while (!file_exists(path("run/metrics.jsonl"))) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  program.send(SIGINT);
  expect_refused(program.wait(), 130, {"stopped at step", "--resume"});
  EXPECT_EQ(json::parse(read_file(path("run/run.json")))["status"], "interrupted");
  words.push_back("--resume");
  ASSERT_EQ(retort_program(words).code, 0);
  EXPECT_EQ(json::parse(read_file(path("run/run.json")))["status"], "finished");
}

TEST_F(Verbs, AProofRunsInWorkersAndStopsOnRequest) {
  const auto proof = [&](const std::string& name, const std::string& recipe) {
    write_file(path(name),
               "recipe = \"" + recipe +
                   "\"\nclaim = \"c\"\nseeds = 3\n[arms]\na = {}\nb = { name = \"other\" }\n[expect]\nsame = \"accuracy: a == b\"\n");
    return path(name);
  };
  const std::string cache = "run.cache=\"" + path("cache") + "\"";
  const std::string quick = proof("quick.toml", tiny_recipe("r.toml", {cache}));
  const json sections = parsed(retort_program({"prove", quick, "--jobs", "2", "--json", "--evidence", path("evidence")}));
  EXPECT_EQ(sections[0]["verdict"], "holds");
  EXPECT_EQ(json::parse(read_file(path("evidence/quick.json")))["data"]["digits"], sections[0]);

  const std::string slow = proof("slow.toml", tiny_recipe("slow-recipe.toml", {cache, "train.epochs=100000"}));
  Program program({"prove", slow, "--jobs", "2", "--evidence", path("evidence")});
  while (!std::filesystem::exists(folder / "cache/proofs/slow") || std::filesystem::is_empty(folder / "cache/proofs/slow"))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program.send(SIGINT);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 130) << ended.err;
  EXPECT_NE(ended.err.find("error: stopped with 0 of 6 runs done\n"), std::string::npos) << ended.err;
  EXPECT_FALSE(file_exists(path("evidence/slow.json")));
}

}  // namespace
}  // namespace retort

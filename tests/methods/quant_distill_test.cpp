#include "retort/methods/compress/quant_distill.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/compress/quantised_training.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using QuantDistillTest = MethodTest;

std::vector<std::string> names_of(const compress::QuantisationPlan& plan) {
  std::vector<std::string> names;
  for (const auto& tensor : plan) names.push_back(tensor.name);
  return names;
}

TEST(QuantDistill, LeavesOutVectorsEndsAndWhatIsNamed) {
  const Net net = make_net("mlp-8-8-8", {1, 8, 8}, 10, Seed(1));
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of(compress::quantisation_plan(net, 4, {}, false, false)),
            (Names{"fc1.weight", "fc2.weight", "fc3.weight", "fc.weight"}));
  EXPECT_EQ(names_of(compress::quantisation_plan(net, 4, {}, false, true)), (Names{"fc2.weight", "fc3.weight"}));
  EXPECT_EQ(names_of(compress::quantisation_plan(net, 4, {"fc1", "fc3*"}, true, false)),
            (Names{"fc2.weight", "fc2.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(caught<ConfigError>([&] { compress::quantisation_plan(net, 4, {"conv1"}, false, false); }).line,
            "knobs.skip: no parameter of the student is called 'conv1'");
  EXPECT_EQ(caught<ConfigError>([&] { compress::quantisation_plan(net, 4, {"fc*"}, false, false); }).line,
            "knobs: no tensor of the student is left to quantise");
}

TEST_F(QuantDistillTest, TheFileHoldsFewLevelsAndRuns) {
  for (const std::string algorithm : {"qd", "dq", "ptq"}) {
    const Outcome outcome = run(
        compress::quant_distill(), algorithm,
        {"student.net=mlp-32", "knobs.algorithm=" + algorithm, "knobs.bits=2", "knobs.bucket=32", "knobs.points_lr=0.01"});
    EXPECT_FALSE(file_exists(scratch.file(algorithm) + "/student.safetensors"));
    const Model model = load_model(scratch.file(algorithm));
    for (size_t i = 0; i < model.net.params().size(); ++i) {
      const Tensor& weight = model.net.params()[i];
      if (weight.dim() < 2) continue;
      const Tensor flat = weight.flatten();
      for (int64_t first = 0; first < flat.numel(); first += 32) {
        EXPECT_LE(std::get<0>(at::_unique(flat.slice(0, first, std::min(first + 32, flat.numel())))).numel(), 4) << algorithm;
      }
    }
    EXPECT_EQ(outcome.metrics.at("bytes"), static_cast<double>(read_file(scratch.file(algorithm) + "/student.packed").size()));
    EXPECT_LT(outcome.metrics.at("bytes"), outcome.metrics.at("float.bytes"));
    EXPECT_GT(outcome.metrics.at("huffman_bits"), 0.9);
    EXPECT_LE(outcome.metrics.at("huffman_bits"), 2);
    EXPECT_TRUE(outcome.metrics.count("ptq2.accuracy") && outcome.metrics.count("ptq8.bytes") &&
                outcome.metrics.count("ptq4.accuracy_whole"));
  }
}

TEST_F(QuantDistillTest, SixteenBitsTrainLikeFloats) {
  const Outcome outcome = run(compress::quant_distill(), "wide", {"knobs.bits=16", "knobs.compare=[]"});
  EXPECT_EQ(outcome.metrics.at("accuracy"), outcome.metrics.at("float.accuracy"));
  EXPECT_NEAR(outcome.metrics.at("nll"), outcome.metrics.at("float.nll"), 1e-2);
}

TEST_F(QuantDistillTest, EveryVariantIsAnotherStudent) {
  const std::vector<std::string> base = {"knobs.bits=2", "knobs.bucket=32", "knobs.compare=[]", "train.epochs=3"};
  const std::vector<std::pair<std::string, std::vector<std::string>>> variants = {
      {"plain", {}},
      {"warm", {"knobs.warm=0.5"}},
      {"stochastic", {"knobs.rounding=stochastic"}},
      {"vectors", {"knobs.vectors=true"}},
      {"ends", {"knobs.float_ends=true"}},
      {"allocated", {"knobs.allocation=gradient", "knobs.vectors=true"}},
      {"labels", {"knobs.lambda=0.0"}},
      {"whole", {"knobs.bucket=0"}},
      {"dq", {"knobs.algorithm=dq", "knobs.points_lr=0.01"}},
      {"dq3", {"knobs.algorithm=dq", "knobs.points=3", "knobs.points_lr=0.01"}},
      {"even", {"knobs.algorithm=dq", "knobs.init=uniform", "knobs.points_lr=0.01"}},
      {"itself", {"knobs.algorithm=dq", "knobs.dq_teacher=student", "knobs.points_lr=0.01"}},
      {"dq-allocated", {"knobs.algorithm=dq", "knobs.allocation=gradient", "knobs.points_lr=0.01"}}};
  std::set<std::string> files;
  for (const auto& [name, sets] : variants) {
    std::vector<std::string> all = base;
    all.insert(all.end(), sets.begin(), sets.end());
    run(compress::quant_distill(), name, all);
    EXPECT_TRUE(files.insert(read_file(scratch.file(name) + "/student.packed")).second) << name;
  }
}

TEST_F(QuantDistillTest, LearntPointsLowerTheLoss) {
  run(compress::quant_distill(), "dq",
      {"knobs.algorithm=dq", "knobs.bits=1", "knobs.bucket=0", "knobs.compare=[]", "knobs.points_lr=0.05", "knobs.points_epochs=20",
       "train.epochs=10", "teacher.kind=random"});
  std::ifstream log(scratch.file("dq") + "/metrics.jsonl");
  std::vector<double> losses;
  for (std::string line; std::getline(log, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["phase"] == "student" && row["kind"] == "train") losses.push_back(row["loss"]);
  }
  ASSERT_GT(losses.size(), 10u);
  EXPECT_LT(losses.back(), 0.9 * losses.front());
}

TEST_F(QuantDistillTest, ResumesToTheBit) {
  for (const std::string algorithm : {"qd", "dq"}) {
    const std::vector<std::string> sets = {"run.checkpoint_seconds=0.0",
                                           "knobs.algorithm=" + algorithm,
                                           "knobs.rounding=stochastic",
                                           "knobs.points_lr=0.01",
                                           "knobs.points_epochs=3",
                                           "knobs.compare=[]",
                                           "knobs.bits=2"};
    run(compress::quant_distill(), "unbroken-" + algorithm, sets);
    install_interrupt_handler();
    for (bool resume = false, done = false; !done; resume = true) {
      std::raise(SIGINT);
      try {
        run(compress::quant_distill(), "broken-" + algorithm, sets, resume);
        done = true;
      } catch (const Interrupted&) {
      }
      clear_interrupt();
    }
    EXPECT_EQ(read_file(scratch.file("unbroken-" + algorithm) + "/student.packed"),
              read_file(scratch.file("broken-" + algorithm) + "/student.packed"));
  }
}

TEST_F(QuantDistillTest, EvaluationsSeeTheQuantisedWeights) {
  run(compress::quant_distill(), "best", {"data.validation=60", "train.keep=best", "knobs.bits=1", "knobs.compare=[]", "train.epochs=4"});
  std::ifstream log(scratch.file("best") + "/metrics.jsonl");
  double best = 0;
  for (std::string line; std::getline(log, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["phase"] == "student" && row["kind"] == "eval") best = std::max(best, row["accuracy"].get<double>());
  }
  DataKnobs data;
  data.train = 96, data.test = 60, data.validation = 60;
  const Dataset validation = load_splits(data, Seed(0).stream("data")).validation;
  const Scores scores = score_classifier(predict_logits(load_model(scratch.file("best")).net, prepared_inputs(validation)),
                                         validation.labels);
  EXPECT_NEAR(100 * scores.accuracy, best, 1e-9);
}

TEST_F(QuantDistillTest, TimesDepth) {
  const Outcome outcome = run(compress::quant_distill(), "depth", {"knobs.depths=[1,4,8]", "knobs.compare=[]", "knobs.depth_width=128"});
  EXPECT_GT(outcome.metrics.at("depth_fit"), 0.2);
}

TEST_F(QuantDistillTest, RefusesBadInput) {
  const auto refused = [&](const std::vector<std::string>& sets) {
    return caught<ConfigError>([&] { run(compress::quant_distill(), "bad", sets); }).line;
  };
  EXPECT_NE(refused({"knobs.bits=0"}).find("knobs.bits"), std::string::npos);
  EXPECT_NE(refused({"knobs.bucket=1"}).find("a bucket of 1 would keep every weight as its own scale"), std::string::npos);
  EXPECT_NE(refused({"knobs.points=1", "knobs.algorithm=dq"}).find("expected 2 to 65536"), std::string::npos);
  EXPECT_NE(refused({"knobs.depths=[2,4]"}).find("knobs.depths"), std::string::npos);
  EXPECT_NE(refused({"knobs.algorithm=dq", "train.keep=best", "data.validation=60"}).find("train.keep: points are kept"),
            std::string::npos);
  EXPECT_FALSE(file_exists(scratch.file("bad") + "/student.packed"));
}

}  // namespace
}  // namespace retort

#include "retort/methods/compress/amd.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/baselines/ce.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

TEST(Amd, NpsdByHand) {
  EXPECT_NEAR(compress::npsd(0.9, 0.88, 1, 0.5), -0.04, 1e-12);
  EXPECT_NEAR(compress::npsd(0.9, 0.80, 1, 0.2), -0.125, 1e-12);
  EXPECT_EQ(compress::pick_by_npsd(0.9, 1, {0.80, 0.88}, {0.2, 0.5}), 1u);
  EXPECT_NEAR(compress::npsd(0.9, 0.91, 1, 0.5), 0.02, 1e-12);             // better than the teacher
  EXPECT_EQ(compress::pick_by_npsd(0.9, 1, {0.5, 0.7}, {0.5, 0.75}), 0u);  // equal: -0.8 and -0.8, the smaller
  EXPECT_NE(caught<ConfigError>([] { compress::npsd(0.9, 0.9, 0.5, 0.5); }).line.find("is not smaller than its teacher"),
            std::string::npos);
}

TEST(Amd, CandidatesLieStrictlyBetween) {
  const auto near = [](const std::vector<double>& found, const std::vector<double>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-9);
  };
  near(compress::candidate_scales(0.1, 1, {}, 0.1), {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9});
  near(compress::candidate_scales(0.05, 0.4, {}, 0.1), {0.1, 0.2, 0.3});
  near(compress::candidate_scales(0.05, 1, {0.5, 0.25}, 0.1), {0.25, 0.5});
  EXPECT_NE(caught<ConfigError>([] { compress::candidate_scales(0.91, 1, {}, 0.1); }).line.find("no multiple of 0.1 lies between"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([] {
              compress::candidate_scales(0.2, 1, {0.1}, 0.1);
            }).line.find("a candidate of scale 0.1 does not lie between"),
            std::string::npos);
}

TEST(Amd, StepsTrainTheSmallestTheLargestAndSomeOthers) {
  std::set<size_t> others;
  for (uint64_t step = 0; step < 60; ++step) {
    const auto chosen = compress::sandwich(5, 2, Seed(step));
    ASSERT_EQ(chosen.size(), 4u);
    EXPECT_EQ(chosen[0], 0u);
    EXPECT_EQ(chosen[1], 4u);
    EXPECT_NE(chosen[2], chosen[3]);
    others.insert(chosen[2]);
  }
  EXPECT_EQ(others, (std::set<size_t>{1, 2, 3}));
  EXPECT_EQ(compress::sandwich(1, 2, Seed(0)), std::vector<size_t>{0});
  EXPECT_EQ(compress::sandwich(2, 2, Seed(0)), (std::vector<size_t>{0, 1}));
}

class AmdTest : public MethodTest {
 protected:
  Outcome chain(const std::string& folder, std::vector<std::string> sets = {}, bool resume = false) {
    const std::vector<std::string> base = {
        "teacher.kind=train",       "teacher.net=mlp-24-16",   "teacher.train.epochs=3",   "run.cache=" + scratch.file("cache"),
        "data.validation=40",       "knobs.student_scale=0.2", "knobs.grid=[0.4,0.6,0.8]", "knobs.joint_epochs=2",
        "knobs.assistant_epochs=1", "train.epochs=2"};
    sets.insert(sets.begin(), base.begin(), base.end());
    return run(compress::amd(), folder, sets, resume);
  }
  std::string arch(const std::string& folder, const std::string& name = "student") const {
    return load_model(scratch.file(folder) + "/" + name).net.spec().at("arch");
  }
};

TEST_F(AmdTest, FromTheTeacherOverAnAssistantToTheStudent) {
  const Outcome outcome = chain("whole");
  const double scale = outcome.metrics.at("assistant_scale");
  EXPECT_TRUE(std::abs(scale - 0.4) < 0.03 || std::abs(scale - 0.6) < 0.03 || std::abs(scale - 0.8) < 0.03) << scale;
  const double teacher = outcome.metrics.at("teacher.parameters");
  EXPECT_NEAR(outcome.metrics.at("parameters") / teacher, 0.2, 0.03);
  EXPECT_NEAR(outcome.metrics.at("assistant.parameters") / teacher, scale, 1e-9);
  // 3 batches an epoch: two epochs together, one for the assistant, two for the student; two or three candidates a step.
  EXPECT_EQ(outcome.metrics.at("search_steps"), 6);
  EXPECT_EQ(outcome.metrics.at("search_passes"), 18);
  EXPECT_EQ(outcome.metrics.at("total_steps"), 6 + 3 + 6);
  EXPECT_GT(term("whole", "kd"), 0);
  EXPECT_GT(term("whole", "feature"), 0);
}

TEST_F(AmdTest, TheOracleTrainsEveryStudent) {
  const Outcome outcome = chain("oracle", {"knobs.select=oracle"});
  EXPECT_EQ(outcome.metrics.at("search_steps"), 6 + 3 * (3 + 6));
  const Outcome worst = chain("worst", {"knobs.select=worst"});
  EXPECT_EQ(worst.metrics.at("search_steps"), 6 + 3 * (3 + 6));
}

TEST_F(AmdTest, EveryRuleChoosesFromTheGrid) {
  EXPECT_NEAR(chain("fixed", {"knobs.select=fixed", "knobs.scale=0.79"}).metrics.at("assistant_scale"), 0.8, 0.03);
  EXPECT_NEAR(chain("middle", {"knobs.select=middle"}).metrics.at("assistant_scale"), 0.6, 0.03);
  for (const std::string rule : {"best", "random"}) EXPECT_GT(chain(rule, {"knobs.select=" + rule}).metrics.at("assistant_scale"), 0.3);
  const Outcome both = chain("both", {"knobs.candidates=both"});
  EXPECT_LE(std::abs(both.metrics.at("rank_correlation")), 1);
  EXPECT_EQ(both.metrics.at("search_steps"), 6);
  EXPECT_EQ(chain("separate", {"knobs.candidates=separate"}).metrics.at("search_steps"), 18);
  const Outcome two = chain("two", {"knobs.hops=2", "knobs.grid=[]", "knobs.grid_step=0.3", "knobs.select=best"});
  EXPECT_GT(two.metrics.at("search_steps"), 0);
  // A second assistant that nearest groups make as large as the first is none.
  chain("close", {"knobs.hops=3", "knobs.grid=[]", "knobs.grid_step=0.2", "knobs.select=middle", "teacher.net=mlp-6"});
}

TEST_F(AmdTest, WithoutAnAssistantTheTeacherTeachesASliceOfItself) {
  const Outcome outcome = chain("direct", {"knobs.hops=0"});
  EXPECT_EQ(outcome.metrics.at("search_steps"), 0);
  EXPECT_EQ(outcome.metrics.at("total_steps"), 6);
  EXPECT_EQ(outcome.metrics.count("assistant_scale"), 0u);
  chain("labels", {"knobs.hops=0", "knobs.a=0.0", "knobs.b=0.0"});
  EXPECT_EQ(arch("labels"), arch("direct"));
  EXPECT_NE(student("labels"), student("direct"));
}

TEST_F(AmdTest, AnyStudentMayStandAtTheEnd) {
  chain("net", {"knobs.student=net", "student.net=mlp-5"});
  EXPECT_EQ(arch("net"), "mlp-5");
  const Outcome vit = chain("vit", {"teacher.net=vit-1x32p4", "knobs.student_scale=0.4", "knobs.grid=[0.6,0.8]"});
  EXPECT_NE(arch("vit").find("vit-1x32p4-h"), std::string::npos);
  // Candidates of a net with batch-norm have statistics of their own.
  EXPECT_GT(chain("cnn", {"teacher.net=cnn-8-12"}).metrics.at("accuracy"), 0);
}

TEST_F(AmdTest, ResumesToTheBit) {
  const std::vector<std::string> sets = {"teacher.net=cnn-8-12", "run.checkpoint_seconds=0.0"};
  chain("unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      chain("broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(AmdTest, RefusesWhatIsNoCompression) {
  int folder = 0;
  const auto line = [&](std::vector<std::string> sets) {
    return caught<ConfigError>([&] { chain(fmt::format("refused{}", ++folder), std::move(sets)); }).line;
  };
  EXPECT_NE(line({"knobs.student_scale=1.0"}).find("a student of 1 times its teacher is no compression"), std::string::npos);
  EXPECT_NE(line({"knobs.grid=[]", "knobs.grid_step=0.9", "knobs.student_scale=0.95"}).find("no multiple of 0.9 lies between"),
            std::string::npos);
  EXPECT_NE(line({"knobs.grid=[1.2]"}).find("a candidate of scale 1.2 is not smaller than the teacher"), std::string::npos);
  EXPECT_NE(line({"teacher.net=resnet8x0.5"}).find("has no groups of weights that could be left out"), std::string::npos);
  EXPECT_NE(line({"data.validation=0"}).find("candidates are judged on a validation part"), std::string::npos);
  EXPECT_NE(line({"knobs.select=oracle", "knobs.hops=2"}).find("oracle compares chains of one assistant"), std::string::npos);
  EXPECT_NE(line({"knobs.student=net", "student.net=mlp-200"}).find("the student is not smaller than its teacher"), std::string::npos);
}

}  // namespace
}  // namespace retort

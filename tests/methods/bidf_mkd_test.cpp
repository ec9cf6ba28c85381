#include "retort/methods/blackbox/bidf_mkd.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/blackbox/bidf_recovery.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

TEST(BidfMaths, BoundaryLossByHand) {
  const Tensor teacher = at::tensor({2.0f, 0.0f, 0.0f, 2.0f}).view({2, 2}), targets = at::tensor({0}, at::kLong),
               student = at::tensor({1.0f, 0.5f}).view({1, 2});
  const double ce = std::log(1 + std::exp(-2.0)), other = std::log(1 + std::exp(2.0));
  const Tensor loss = blackbox::recovery_loss(teacher, targets, student, 0.5);  // two points of one sample
  EXPECT_NEAR(loss[0].item<double>(), ce - 0.5 * 1.5, 1e-6);                    // both say 0
  EXPECT_NEAR(loss[1].item<double>(), other, 1e-6);                             // they disagree
  EXPECT_TRUE(at::allclose(blackbox::recovery_loss(teacher, targets, {}, 1), at::tensor({ce, other}).to(at::kFloat)));
}

TEST(BidfMaths, MovedImagesKeepTheirGradient) {
  Dice dice(Seed(1));
  Tensor images = at::rand({3, 1, 4, 4});
  images.requires_grad_(true);
  const Tensor out = blackbox::moved(images, 1, true, dice);
  EXPECT_EQ(out.sizes(), images.sizes());
  out.sum().backward();
  const double passed = images.grad().sum().item<double>();
  EXPECT_GE(passed, 3 * 9);
  EXPECT_LE(passed, 3 * 16);
  EXPECT_TRUE(at::equal(blackbox::moved(images, 0, false, dice), images));
}

TEST(BidfMaths, RecoveryCostsWhatItSays) {
  InputSpec spec;
  spec.shape = {1, 8, 8};
  const auto behind = net_teacher(make_net("mlp-8", {1, 8, 8}, 3, Seed(1)));
  CountedTeacher api(*behind);
  blackbox::RecoveryKnobs knobs;
  knobs.q = 4, knobs.width = 4, knobs.code = 5, knobs.crop_padding = 1, knobs.mu = 0.01;
  const Tensor targets = at::arange(3, at::kLong).repeat_interleave(2);
  const auto set = blackbox::recover(api, nullptr, targets, spec, knobs, 6, {}, 0, Seed(2));
  EXPECT_EQ(api.calls(), (4 + 1) * 6 * 6);
  EXPECT_EQ(set.images.sizes().vec(), (std::vector<int64_t>{6, 1, 8, 8}));
  EXPECT_TRUE(at::allclose(set.images * 255, (set.images * 255).round(), 0, 1e-3));
  knobs.gradient = "white-box";
  knobs.keep = "loss", knobs.lr = 0.01;
  const auto white = blackbox::recover(api, behind->net(), targets, spec, knobs, 60, {}, 0, Seed(2));
  EXPECT_EQ(api.calls(), (4 + 1) * 6 * 6);
  EXPECT_LT(white.last_loss, white.first_loss);
}

TEST(BidfMaths, TurnedClasses) {
  Dataset data;
  data.inputs = at::arange(4, at::kByte).view({1, 1, 2, 2});
  data.labels = at::tensor({1}, at::kLong);
  data.ids = at::tensor({3}, at::kLong);
  data.spec.shape = {1, 2, 2};
  data.spec.classes = {"a", "b"};
  const Dataset all = blackbox::with_turned_classes(data);
  EXPECT_EQ(all.size(), 4);
  EXPECT_EQ(all.labels[2].item<int64_t>(), 6);
  EXPECT_EQ(all.spec.classes[6], "b turned 180");
  EXPECT_EQ(all.inputs[2].flatten()[0].item<int64_t>(), 3);
}

class BidfTest : public MethodTest {
 protected:
  static std::vector<std::string> with(std::vector<std::string> more = {}) {
    std::vector<std::string> sets = {
        "data.train=200",    "data.test=200",           "teacher.kind=train",    "teacher.train.epochs=1",
        "student.net=mlp-8", "run.cache=\"\"",          "knobs.apis=3",          "knobs.nets=[\"mlp-8\",\"cnn-4\"]",
        "knobs.ways=3",      "knobs.test_classes=4",    "knobs.per_class=4",     "knobs.iterations=3",
        "knobs.q=2",         "knobs.generator_width=4", "knobs.code=8",          "knobs.shots=2",
        "knobs.queries=2",   "knobs.updates=6",         "knobs.episodes=2",      "knobs.initial=2",
        "knobs.interval=3",  "knobs.tasks=4",           "knobs.boundary_after=1"};
    sets.insert(sets.end(), more.begin(), more.end());
    // The shared recipe trains its student by [train]; this method has its own updates.
    return sets;
  }
  Outcome meta(const std::string& folder, std::vector<std::string> sets, bool resume = false) {
    sets.push_back("run.dir=" + scratch.file(folder));
    retort::Run run(Recipe::parse("method = \"test\"\n[run]\nlatency = false\nthreads = 1\n", "small.toml", sets), resume);
    run.quiet = true;
    blackbox::bidf_mkd().run(run);
    run.finish();
    return run.outcome;
  }
};

TEST_F(BidfTest, CountsItsCalls) {
  const Outcome outcome = meta("counts", with({"knobs.interval=100"}));
  // Two updates of two episodes of two sets of 12 images: (2 + 1) calls a step, 3 steps, and one answer at the end.
  EXPECT_EQ(outcome.metrics.at("calls"), 2 * 2 * 2 * 12 * ((2 + 1) * 3 + 1));
  EXPECT_EQ(meta("again", with({"knobs.interval=100"})).metrics.at("accuracy"), outcome.metrics.at("accuracy"));
  EXPECT_EQ(meta("none", with({"knobs.updates=0"})).metrics.at("calls"), 0);
  const Outcome bounded = meta("bounded", with({"knobs.interval=1", "knobs.budget=1000"}));
  EXPECT_EQ(bounded.metrics.at("calls"), 960);  // the memory goes on for nothing
}

TEST_F(BidfTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.second_order=false"},
                                                         {"knobs.replay=false"},
                                                         {"knobs.lambda_adv=0.0"},
                                                         {"knobs.gradient=white-box"},
                                                         {"knobs.antithetic=true"},
                                                         {"knobs.keep=loss"},
                                                         {"knobs.turned=true"},
                                                         {"knobs.flip=false"},
                                                         {"knobs.updates=0"},
                                                         {"knobs.interval=1"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    meta(std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(BidfTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0"});
  const Outcome unbroken = meta("unbroken", sets);
  // The APIs are trained first; each of their trainings and the meta-training is a phase that may be stopped.
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(meta("broken", sets), Interrupted);
  clear_interrupt();
  const Outcome broken = meta("broken", sets, /*resume=*/true);
  EXPECT_EQ(student("unbroken"), student("broken"));
  EXPECT_EQ(unbroken.metrics.at("calls"), broken.metrics.at("calls"));
}

TEST_F(BidfTest, RefusesWhatCannotWork) {
  const auto labels = caught<AccessError>([&] { meta("labels", with({"teacher.show=hard_labels"})); });
  EXPECT_NE(labels.line.find("these APIs show hard_labels only"), std::string::npos) << labels.line;
  caught<ConfigError>([&] { meta("q", with({"knobs.q=0"})); });
  caught<ConfigError>([&] { meta("mu", with({"knobs.mu=0.0"})); });
  const auto many = caught<ConfigError>([&] { meta("many", with({"knobs.queries=79"})); });
  EXPECT_NE(many.line.find("a memory of 80 images a class holds no task of 2 + 79"), std::string::npos) << many.line;
  const auto ways = caught<ConfigError>([&] { meta("ways", with({"knobs.ways=5"})); });
  EXPECT_NE(ways.line.find("do not make tasks of 5"), std::string::npos) << ways.line;
  const auto poor = caught<BudgetError>([&] { meta("poor", with({"knobs.budget=100"})); });
  EXPECT_NE(poor.line.find("0 of 100 calls are made, 480 more are needed"), std::string::npos) << poor.line;
  meta("three", with());
  const std::string file = scratch.file("three") + "/student.safetensors";
  const auto two = caught<ConfigError>([&] {
    meta("two", with({"teacher.kind=file", "teacher.files=[\"" + file + "\"]", "knobs.ways=2"}));
  });
  EXPECT_NE(two.line.find("decides between 3 classes, and tasks have 2"), std::string::npos) << two.line;
  caught<DataError>([&] { meta("size", with({"teacher.kind=file", "teacher.files=[\"" + file + "\"]", "data.resize=12"})); });
}

}  // namespace
}  // namespace retort

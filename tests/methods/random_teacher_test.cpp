#include "retort/methods/features/random_teacher.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/features/random_teacher_study.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using RandomTeacherTest = MethodTest;

const std::vector<std::string> kSmall = {"knobs.head_hidden=[16]", "knobs.bottleneck=8", "knobs.prototypes=20", "knobs.probe_epochs=2"};

std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(sets.end(), kSmall.begin(), kSmall.end());
  return sets;
}

TEST(RandomTeacher, StartsBetweenTwoDraws) {
  const Net teacher = make_net("mlp-300-300", {50}, 10, Seed(1)), other = make_net("mlp-300-300", {50}, 10, Seed(2));
  const Net copy = features::interpolated_start(teacher, other, 0), apart = features::interpolated_start(teacher, other, 1);
  for (size_t i = 0; i < teacher.params().size(); ++i) {
    EXPECT_TRUE(copy.params()[i].equal(teacher.params()[i]));
    EXPECT_TRUE(apart.params()[i].equal(other.params()[i]));
  }
  for (const double alpha : {0.2, 0.5, 0.8}) {
    const Net between = features::interpolated_start(teacher, other, alpha);
    EXPECT_NEAR(between.params()[2].std().item<double>() / teacher.params()[2].std().item<double>(), 1, 0.02);
  }
  const Net near = features::neighbouring_start(teacher, other, 0.5);
  EXPECT_NEAR(near.params()[2].std().item<double>() / teacher.params()[2].std().item<double>(), 1, 0.02);
  EXPECT_LT((near.params()[2] - (teacher.params()[2] + 0.5 * other.params()[2]) / std::sqrt(1.25)).abs().max().item<double>(), 1e-6);
}

TEST(RandomTeacher, ScalesThatEveryDrawStartsAlikeStay) {
  const Net a = make_net("cnn-4", {1, 8, 8}, 3, Seed(1)), b = make_net("cnn-4", {1, 8, 8}, 3, Seed(2));
  EXPECT_TRUE(features::interpolated_start(a, b, 0.5).params()[1].equal(at::ones({4})));  // the norm's weight
}

TEST(RandomTeacher, ACopyIsAStationaryPoint) {
  const Tensor z = at::empty({6, 9}, at::kDouble).normal_(0, 2, Seed(1).generator());
  const Tensor student = z.clone().requires_grad_();
  const Tensor loss = features::head_cross_entropy(student, z, 1, 1);
  EXPECT_NEAR(loss.item<double>(), losses::entropy_rows(z).mean().item<double>(), 1e-12);
  loss.backward();
  EXPECT_LT(student.grad().abs().max().item<double>(), 1e-12);
}

TEST(RandomTeacher, BarrierByHand) {
  EXPECT_DOUBLE_EQ(features::error_barrier({10, 30, 20}), 15);
  EXPECT_DOUBLE_EQ(features::error_barrier({10, 12, 20}), 5);
}

TEST_F(RandomTeacherTest, WithoutBatchNormACopyStays) {
  run(features::random_teacher(), "one",
      with({"student.net=mlp-8", "knobs.alpha=0.0", "knobs.loss=mse", "train.epochs=1", "train.optimiser=sgd", "knobs.probe=false"}));
  run(features::random_teacher(), "many",
      with({"student.net=mlp-8", "knobs.alpha=0.0", "knobs.loss=mse", "train.epochs=5", "train.optimiser=sgd", "knobs.probe=false"}));
  const TensorMap one = load_model(scratch.file("one") + "/student.safetensors").net.named_tensors(),
                  many = load_model(scratch.file("many") + "/student.safetensors").net.named_tensors();
  for (const auto& [name, value] : one) EXPECT_LT((value - many.at(name)).abs().max().item<double>(), 1e-5) << name;
}

TEST_F(RandomTeacherTest, TheTeacherStaysAsItWasDrawn) {
  run(features::random_teacher(), "short", with({"train.epochs=1"}));
  run(features::random_teacher(), "long", with({"train.epochs=4"}));
  run(features::random_teacher(), "batch", with({"knobs.teacher_statistics=batch"}));
  const auto teacher = [&](const std::string& folder) { return read_file(scratch.file(folder) + "/teacher.safetensors"); };
  EXPECT_EQ(teacher("short"), teacher("long"));
  EXPECT_EQ(teacher("short"), teacher("batch"));
  EXPECT_NE(student("short"), student("long"));
}

TEST_F(RandomTeacherTest, ProbesItsEncoders) {
  const Outcome outcome = run(features::random_teacher(), "probes",
                              with({"transfer.source=digits", "transfer.train=90", "transfer.test=40"}));
  for (const std::string name : {"student", "teacher", "start", "teacher_untouched"})
    for (const std::string end : {"", "_transfer"})
      EXPECT_GT(outcome.metrics.at("probe_" + name + end) + outcome.metrics.at("knn_" + name + end), 20) << name << end;
  EXPECT_DOUBLE_EQ(outcome.metrics.at("gain"), outcome.metrics.at("probe_student") - outcome.metrics.at("probe_teacher"));
  EXPECT_NEAR(outcome.metrics.at("accuracy"), outcome.metrics.at("probe_student"), 1e-6);  // what is kept decides by its probe
}

TEST_F(RandomTeacherTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.alpha=0.0"},
                                                         {"knobs.alpha=1.0"},
                                                         {"knobs.start=neighbourhood"},
                                                         {"knobs.loss=mse"},
                                                         {"knobs.temperature_teacher=0.5"},
                                                         {"knobs.temperature_student=0.5"},
                                                         {"knobs.normalise_prototypes=false"},
                                                         {"knobs.teacher_statistics=batch"},
                                                         {"knobs.inputs=noise"},
                                                         {"knobs.alpha=1.0", "knobs.teacher_net=cnn-5-10"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(features::random_teacher(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(RandomTeacherTest, StudiesItsCheckpoint) {
  const Outcome outcome = run(features::random_teacher(), "study",
                              with({"student.net=mlp-16", "knobs.prune_rounds=2", "knobs.prune_share=0.5", "knobs.barrier=true",
                                    "knobs.plane=3", "supervised.epochs=3"}));
  EXPECT_NEAR(outcome.metrics.at("lottery_sparsity"), 75, 0.5);
  EXPECT_GT(outcome.metrics.at("lottery_student"), 5);
  EXPECT_TRUE(outcome.metrics.count("barrier_student") && outcome.metrics.count("barrier_start"));
  const auto is_surface = [](const nlohmann::json& panel) {
    return panel["kind"] == "heatmap" && panel["values"].size() == 3 && panel["values"][0].size() == 3;
  };
  EXPECT_TRUE(std::any_of(outcome.panels.begin(), outcome.panels.end(), is_surface));
}

TEST_F(RandomTeacherTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0", "train.epochs=3"});
  run(features::random_teacher(), "unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      run(features::random_teacher(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(RandomTeacherTest, RefusesWhatCannotWork) {
  const auto refused = [&](const std::string& set) {
    return caught<ConfigError>([&] { run(features::random_teacher(), "refused" + set.substr(6, 5), with({set})); }).line;
  };
  EXPECT_NE(refused("knobs.alpha=1.5").find("knobs.alpha"), std::string::npos);
  EXPECT_NE(refused("knobs.alpha=-0.1").find("knobs.alpha"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { run(features::random_teacher(), "one", {"knobs.prototypes=1"}); }).line.find("knobs.prototypes"),
            std::string::npos);
  EXPECT_NE(refused("knobs.teacher_net=cnn-5-10").find("knobs.teacher_net: a cnn-3-6 cannot start near a cnn-5-10"), std::string::npos);
  const auto size = caught<ConfigError>([&] {
    run(features::random_teacher(), "size", with({"transfer.source=digits", "transfer.resize=4"}));
  });
  EXPECT_NE(size.line.find("the encoder reads [1,8,8], digits has [1,4,4]"), std::string::npos) << size.line;
}

}  // namespace
}  // namespace retort

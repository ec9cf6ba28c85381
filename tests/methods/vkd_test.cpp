#include "retort/methods/features/vkd.h"

#include <csignal>

#include "retort/base/checkpoint.h"
#include "retort/base/interrupt.h"
#include "retort/methods/features/vkd_generate.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using VkdTest = MethodTest;

TEST_F(VkdTest, TheProjectorStaysARotationWhateverDecaysBesideIt) {
  const Outcome outcome = run(features::vkd(), "decay",
                              {"train.epochs=34", "train.optimiser=adamw", "train.weight_decay=0.5"});  // 102 steps
  EXPECT_LT(outcome.metrics.at("gram_error"), 1e-5);
  const State done = load_state(scratch.file("decay") + "/checkpoints/student.done.safetensors");
  EXPECT_GT(done.take("helper.projector").tensor("raw").abs().max().item<double>(), 1e-3);  // it has learnt
  EXPECT_GT(run(features::vkd(), "linear", {"knobs.projector=linear"}).metrics.at("gram_error"), 0.01);
}

TEST_F(VkdTest, LearnsTheFeatures) {
  run(features::vkd(), "learns", {"train.epochs=8"});
  run(features::vkd(), "idle", {"train.epochs=8", "knobs.alpha=0.0"});
  EXPECT_LT(term("learns", "features"), 0.95 * term("idle", "features"));
}

TEST_F(VkdTest, KeepsThePlainStudent) {
  run(features::vkd(), "two");
  run(features::vkd(), "one", {"knobs.heads=one"});
  EXPECT_EQ(load_model(scratch.file("two")).net.spec(), load_model(scratch.file("one")).net.spec());
  EXPECT_NE(student("two"), student("one"));
  run(features::vkd(), "tokens", {"student.net=vit-2x16p4-distilled", "teacher.net=cnn-4-16"});
  EXPECT_EQ(load_model(scratch.file("tokens")).net.spec().at("arch"), "vit-2x16p4-distilled");
}

TEST_F(VkdTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {
      {},
      {"knobs.map=cayley"},
      {"knobs.base=free"},
      {"knobs.projector=linear"},
      {"knobs.projector=mlp"},
      {"knobs.normaliser=none"},
      {"knobs.normaliser=batch-standardise"},
      {"knobs.normaliser=whiten", "knobs.shrinkage=0.1"},
      {"knobs.gamma=0.0"},
      {"knobs.smoothing=0.0"},
      {"knobs.temperature=3.0"},
      {"knobs.affine=true"},
      {"knobs.rows=each"},
      {"views.mixup=0.8"},
      {"knobs.student_layers=[\"stage1\",\"stage2\"]", "knobs.teacher_layers=[\"stage1\",\"stage2\"]"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(features::vkd(), std::to_string(i), choices[i]);
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(VkdTest, ResumesToTheBit) {
  const std::vector<std::string> sets = {"run.checkpoint_seconds=0.0", "views.shift=1"};
  run(features::vkd(), "unbroken", sets);
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(run(features::vkd(), "broken", sets), Interrupted);
  clear_interrupt();
  run(features::vkd(), "broken", sets, /*resume=*/true);
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(VkdTest, RefusesWhatCannotWork) {
  const auto wide = caught<ConfigError>([&] { run(features::vkd(), "wide", {"student.net=cnn-3-16"}); });
  EXPECT_EQ(wide.line,
            "vkd: layers stage2 and stage2: an orthogonal projector from 16 channels to 8: the student is wider than the teacher");
  run(features::vkd(), "allowed", {"student.net=cnn-3-16", "knobs.allow_wide_student=true", "train.epochs=1"});
  const auto small = caught<ConfigError>([&] { run(features::vkd(), "small", {"knobs.normaliser=whiten", "train.batch=8"}); });
  EXPECT_NE(small.line.find("whitening 8 channels needs batches of more rows; the smallest has 8"), std::string::npos) << small.line;
  const auto decay = caught<ConfigError>([&] { run(features::vkd(), "decay", {"knobs.projector_weight_decay=0.1"}); });
  EXPECT_NE(decay.line.find("the free parameters of a rotation must not decay, found 0.1"), std::string::npos) << decay.line;
  const auto pairs = caught<ConfigError>([&] {
    run(features::vkd(), "pairs", {"knobs.student_layers=[\"stage1\"]", "knobs.teacher_layers=[\"stage1\",\"stage2\"]"});
  });
  EXPECT_NE(pairs.line.find("1 layers of the student and 2 of the teacher"), std::string::npos) << pairs.line;
  const auto points = caught<ConfigError>([&] { run(features::vkd(), "points", {"knobs.task=generate"}); });
  EXPECT_NE(points.line.find("\"generate\" makes points of the plane"), std::string::npos) << points.line;
}

TEST(VkdGenerate, CoverageByHand) {
  const Tensor centres = at::tensor({0.0f, 0.0f, 10.0f, 0.0f}).view({2, 2}), deviations = at::tensor({1.0f, 0.1f});
  // Two near the first mode, one too far from the second, one at it.
  const Tensor samples = at::tensor({1.0f, 0.0f, 0.0f, 2.9f, 10.5f, 0.0f, 10.1f, 0.0f}).view({4, 2});
  const auto coverage = features::mode_coverage(samples, centres, deviations);
  EXPECT_EQ(coverage.modes, 2);
  EXPECT_DOUBLE_EQ(coverage.high_quality, 0.75);
  EXPECT_EQ(features::mode_coverage(samples.narrow(0, 0, 2), centres, deviations).modes, 1);
}

TEST_F(VkdTest, AGeneratorLearnsBesideItsDiscriminator) {
  const std::vector<std::string> sets = {"data.source=world:ring8,rows=400",
                                         "data.train=96",
                                         "data.test=200",
                                         "teacher.net=mlp-16-8",
                                         "student.net=mlp-16",
                                         "knobs.task=generate",
                                         "knobs.discriminator=mlp-16-8",
                                         "knobs.normaliser=whiten",
                                         "knobs.samples=200",
                                         "train.epochs=5"};
  const Outcome outcome = run(features::vkd(), "points", sets);
  EXPECT_TRUE(outcome.metrics.count("modes") && outcome.metrics.count("high_quality"));
  EXPECT_GT(term("points", "features"), 0);
  std::vector<std::string> without = sets;
  without.emplace_back("knobs.alpha=0.0");
  run(features::vkd(), "without", without);
  EXPECT_NE(student("points"), student("without"));
}

}  // namespace
}  // namespace retort

#include "retort/methods/blackbox/mekd.h"

#include <csignal>

#include "retort/base/checkpoint.h"
#include "retort/base/interrupt.h"
#include "retort/base/safetensors.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using blackbox::mekd_loss;

Tensor drawn(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape).normal_(0, 1, Seed(seed).generator()); }

TEST(MekdMaths, EqualAnswersHaveNothingToTeach) {
  const Tensor w = drawn({6, 5}, 1);
  const auto generate = [&](const Tensor& z) { return at::linear(z, w).tanh(); };
  Tensor student = drawn({4, 5}, 2);
  student.requires_grad_(true);
  const auto [image, kl] = mekd_loss(student, student.detach().clone(), generate, 5, 5, /*squared=*/true);
  EXPECT_EQ(image.item<double>(), 0);
  EXPECT_NEAR(kl.item<double>(), 0, 1e-6);
  (image + kl).backward();
  EXPECT_LT(student.grad().abs().max().item<double>(), 1e-6);
}

TEST(MekdMaths, ALinearGeneratorByHand) {
  const Tensor w = drawn({7, 3}, 3), s = drawn({4, 3}, 4), t = drawn({4, 3}, 5);
  const auto [image, kl] = mekd_loss(
      s, t, [&](const Tensor& z) { return at::linear(z, w); }, 2, 3, /*squared=*/true);
  const double expected = at::linear(s - t, w).square().sum().item<double>() / (9 * 4 * 7);
  EXPECT_NEAR(image.item<double>(), expected, 1e-6);
  // tau KL, not tau^2: one row, two classes, tau 2: 2 * sum p log(p / q).
  const Tensor one = at::tensor({2.0f, 0.0f}).view({1, 2}), zero = at::zeros({1, 2});
  const double p = 1 / (1 + std::exp(-1.0)), by_hand = 2 * (p * std::log(2 * p) + (1 - p) * std::log(2 * (1 - p)));
  EXPECT_NEAR(mekd_loss(
                  zero, one, [](const Tensor& z) { return z; }, 2, 1, false)
                  .kl.item<double>(),
              by_hand, 1e-6);
}

TEST(MekdMaths, HardAnswersForgetScaleAndShift) {
  const Tensor t = drawn({6, 4}, 6);
  EXPECT_TRUE(at::equal(blackbox::hard_answers(t), blackbox::hard_answers(3 * t + 7)));
  EXPECT_EQ(blackbox::hard_answers(t).sum().item<double>(), 6);
}

TEST(MekdMaths, ProbabilitiesBecomeCentredLogarithms) {
  const Tensor logs = blackbox::centred_log_probabilities(at::tensor({0.5f, 0.5f, 0.0f}).view({1, 3}));
  EXPECT_NEAR(logs.sum().item<double>(), 0, 1e-5);
  EXPECT_NEAR((logs[0][0] - logs[0][2]).item<double>(), std::log(0.5 / 1e-6), 1e-3);
}

TEST(MekdMaths, StrengthIsAConstantOfEveryImage) {
  Tensor verdict = at::tensor({0.0f, 0.0f});
  verdict.requires_grad_(true);
  const Tensor loss = blackbox::strength_loss(verdict, at::tensor({1.0f, 0.5f}));
  EXPECT_NEAR(loss.item<double>(), -(1.5 / 2) * std::log(0.5 + 1e-5), 1e-6);
  loss.backward();
  EXPECT_NEAR((verdict.grad()[0] / verdict.grad()[1]).item<double>(), 2, 1e-5);
  const auto wrong = caught<ConfigError>([&] { blackbox::strength_loss(verdict, at::ones({2, 1})); });
  EXPECT_NE(wrong.line.find("expected [batch] and [batch]"), std::string::npos) << wrong.line;
  EXPECT_NEAR(blackbox::response_strength(at::zeros({1, 4})).item<double>(), 0.25, 1e-6);
}

class MekdTest : public MethodTest {
 protected:
  static std::vector<std::string> with(std::vector<std::string> more = {}) {
    std::vector<std::string> sets = {"teacher.show=logits", "knobs.width=4",      "knobs.discriminator_width=2",
                                     "knobs.pool=64",       "knobs.gan.epochs=2", "knobs.gan.batch=32"};
    sets.insert(sets.end(), more.begin(), more.end());
    return sets;
  }
};

TEST_F(MekdTest, CountsItsCalls) {
  const Outcome soft = run(blackbox::mekd(), "soft", with());
  EXPECT_EQ(soft.metrics.at("calls_student"), 64);
  EXPECT_EQ(soft.metrics.at("calls_generator"), 2 * 96);
  const Outcome hard = run(blackbox::mekd(), "hard", with({"knobs.response=hard", "teacher.show=hard_labels"}));
  EXPECT_EQ(hard.metrics.at("calls"), 64);
  EXPECT_EQ(run(blackbox::mekd(), "fresh", with({"knobs.queries=fresh", "knobs.w_im=0.0"})).metrics.at("calls"), 2 * 96);
  EXPECT_EQ(run(blackbox::mekd(), "local", with({"knobs.images=local", "knobs.w_f=0.0", "knobs.local.train=50"})).metrics.at("calls"), 50);
}

TEST_F(MekdTest, TheGeneratorStaysAndServesAgain) {
  run(blackbox::mekd(), "first", with());
  const auto before = load_state(scratch.file("first") + "/checkpoints/generator.done.safetensors").take("student").tensors;
  const auto after = read_safetensors(scratch.file("first") + "/generator.safetensors").tensors;
  for (const auto& [name, tensor] : before) EXPECT_TRUE(at::equal(tensor, after.at(name))) << name;
  const std::string path = scratch.file("first") + "/generator.safetensors";
  EXPECT_EQ(run(blackbox::mekd(), "again", with({"knobs.generator=" + path})).metrics.at("calls_generator"), 0);
  EXPECT_EQ(student("first"), student("again"));
  const auto other = caught<ConfigError>([&] {
    run(blackbox::mekd(), "other", with({"knobs.generator=" + path, "data.classes=[0,1,2]", "data.train=20", "knobs.local.train=20"}));
  });
  EXPECT_NE(other.line.find("images of 10 numbers and the teacher answers with 3"), std::string::npos) << other.line;
}

TEST_F(MekdTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.response=hard"},
                                                         {"knobs.answers=probabilities"},
                                                         {"knobs.queries=fresh"},
                                                         {"knobs.tau=2.0"},
                                                         {"knobs.tau_g=2.0"},
                                                         {"knobs.w_f=0.0"},
                                                         {"knobs.w_kl=0.0"},
                                                         {"knobs.w_ce=1.0"},
                                                         {"knobs.image_loss=l2"},
                                                         {"knobs.w_im=0.0"},
                                                         {"knobs.w_inverse=1.0"},
                                                         {"knobs.untrained=true"},
                                                         {"knobs.tilt=15.0"},
                                                         {"knobs.noise=0.1"},
                                                         {"knobs.images=local"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(blackbox::mekd(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(MekdTest, ResumesToTheBitAndAsksNothingTwice) {
  const std::vector<std::string> sets = with({"run.checkpoint_seconds=0.0"});
  const Outcome unbroken = run(blackbox::mekd(), "unbroken", sets);
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(run(blackbox::mekd(), "broken", sets), Interrupted);
  clear_interrupt();
  const Outcome broken = run(blackbox::mekd(), "broken", sets, /*resume=*/true);
  EXPECT_EQ(student("unbroken"), student("broken"));
  EXPECT_EQ(unbroken.metrics.at("calls"), broken.metrics.at("calls"));
}

TEST_F(MekdTest, RefusesWhatCannotWork) {
  EXPECT_EQ(caught<AccessError>([&] { run(blackbox::mekd(), "labels", with({"teacher.show=hard_labels"})); }).line,
            "the method 'test' needs a teacher's logits, and this one shows hard_labels only");
  const auto poor = caught<ConfigError>([&] { run(blackbox::mekd(), "poor", with({"knobs.budget=63"})); });
  EXPECT_NE(poor.line.find("63 calls do not pay for a pool of 64"), std::string::npos) << poor.line;
  const auto dear = caught<BudgetError>([&] { run(blackbox::mekd(), "dear", with({"knobs.budget=255"})); });
  EXPECT_NE(dear.line.find("255 calls are allowed; the generator would take 192 and the student 64"), std::string::npos) << dear.line;
  const auto few = caught<ConfigError>([&] { run(blackbox::mekd(), "few", with({"knobs.local.train=31"})); });
  EXPECT_NE(few.line.find("31 local images do not fill a batch of 32"), std::string::npos) << few.line;
  const auto points = caught<ConfigError>([&] {
    run(blackbox::mekd(), "points", with({"data.source=world:moons", "teacher.net=mlp-4", "student.net=mlp-4"}));
  });
  EXPECT_NE(points.line.find("mekd makes images"), std::string::npos) << points.line;
  caught<ConfigError>([&] { run(blackbox::mekd(), "nothing", with({"knobs.w_f=0.0", "knobs.w_kl=0.0"})); });
}

}  // namespace
}  // namespace retort

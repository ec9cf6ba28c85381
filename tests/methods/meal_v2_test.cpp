#include "retort/methods/teachers/meal_v2.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/baselines/ce.h"
#include "retort/nets/model_file.h"
#include "retort/train/discriminator.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using MealTest = MethodTest;

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }
double apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(sets.begin(), {"teacher.members=2", "knobs.shrink=2"});
  return sets;
}

TEST(Meal, MeansByHand) {
  // softmax(log 3, 0) = (3/4, 1/4), softmax(0, 0) = (1/2, 1/2).
  const Tensors members = {at::tensor({std::log(3.0), 0.0}, at::kDouble).view({1, 2}), at::zeros({1, 2}, at::kDouble)};
  EXPECT_LT(apart(teachers::mean_probabilities(members), at::tensor({0.625, 0.375}, at::kDouble)), 1e-12);
  EXPECT_LT(apart(teachers::mean_probabilities(members, {3, 1}), at::tensor({0.6875, 0.3125}, at::kDouble)), 1e-12);
  EXPECT_LT(apart(teachers::mean_logits(members), at::tensor({std::log(3.0) / 2, 0.0}, at::kDouble)), 1e-12);
  // The average of softmax is not the softmax of the average.
  EXPECT_GT(apart(teachers::mean_probabilities(members), at::softmax(teachers::mean_logits(members), 1)), 1e-3);
}

TEST(Meal, OneTeacherOrTheSameTwice) {
  const Tensor z = draws({4, 5}, 1);
  EXPECT_LT(apart(teachers::mean_probabilities({z}), at::softmax(z, 1)), 1e-14);
  EXPECT_LT(apart(teachers::mean_probabilities({z, z, z}), at::softmax(z, 1)), 1e-14);
  EXPECT_LT(apart(teachers::mean_probabilities({z, draws({4, 5}, 2)}, {1, 0}), at::softmax(z, 1)), 1e-14);
}

TEST(Meal, TheGradientIsTheGap) {
  const Tensor z = draws({6, 4}, 1).requires_grad_(true), q = teachers::mean_probabilities({draws({6, 4}, 2), draws({6, 4}, 3)});
  losses::soft_cross_entropy(z, q).backward();
  EXPECT_LT(apart(z.grad(), (at::softmax(z.detach(), 1) - q) / 6), 1e-12);
}

TEST(Meal, AnAdversaryTurnsTheStudentsGradientOnly) {
  Net net = logit_discriminator(8, 2, /*last_relu=*/false, Seed(4));
  net.require_grad(true);
  const Tensor teacher = draws({5, 8}, 2).to(at::kFloat);
  const auto gradients = [&](bool adversarial) {
    const Tensor z = draws({5, 8}, 1).to(at::kFloat).requires_grad_(true);
    const Tensor loss = teachers::discrimination(net, z, teacher, adversarial);
    return torch::autograd::grad({loss}, {z, net.params()[0], net.params()[4]});
  };
  const auto joint = gradients(false), turned = gradients(true);
  EXPECT_GT(joint[0].abs().max().item<double>(), 0);
  EXPECT_TRUE(turned[0].equal(-joint[0]));
  EXPECT_TRUE(turned[1].equal(joint[1]));
  EXPECT_TRUE(turned[2].equal(joint[2]));
}

TEST_F(MealTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.discriminator=off"},
                                                         {"knobs.discriminator=adversarial"},
                                                         {"knobs.d_weight=3.0"},
                                                         {"knobs.d_reads=probabilities"},
                                                         {"knobs.d_last_relu=false"},
                                                         {"knobs.d_lr=0.1"},
                                                         {"knobs.d_lr=0.1", "knobs.d_follows_schedule=true"},
                                                         {"knobs.w_hard=0.5"},
                                                         {"teacher.weights=[3.0, 1.0]"},
                                                         {"views.cutmix=1.0"},
                                                         {"student.trained=true", "student.train.epochs=1", "run.cache="}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(teachers::meal_v2(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(MealTest, PolishesAStudentThatWasTrainedBefore) {
  const std::vector<std::string> first = {"student.net=mlp-16", "student.trained=true", "student.train.epochs=40", "student.train.lr=0.01",
                                          "run.cache=" + scratch.file("cache")};
  const Outcome outcome = run(teachers::meal_v2(), "polished", with(first));
  EXPECT_GT(outcome.metrics.at("before.accuracy"), 40);
  // Kept for the next run that wants the same start; and a file does as well.
  int64_t kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.file("cache") + "/teachers"))
    kept += entry.path().extension() == ".safetensors";
  EXPECT_EQ(kept, 1);
  run(baselines::ce(), "ce", {"train.epochs=1"});
  const Outcome from_file = run(teachers::meal_v2(), "file", with({"student.start=" + scratch.file("ce")}));
  EXPECT_TRUE(from_file.metrics.count("before.accuracy"));
}

TEST_F(MealTest, AStartOfOtherClassesKeepsItsLastLayer) {
  run(baselines::ce(), "few", {"data.classes=[0,1,2]", "student.net=mlp-16"});
  run(baselines::ce(), "ten", {"student.start=" + scratch.file("few"), "student.net=mlp-16", "train.epochs=1", "train.lr=1e-9"});
  const TensorMap few = load_model(scratch.file("few")).net.named_tensors(), ten = load_model(scratch.file("ten")).net.named_tensors();
  EXPECT_LT(apart(few.at("fc1.weight"), ten.at("fc1.weight")), 1e-6);
  EXPECT_EQ(ten.at("fc.weight").size(0), 10);
  const Outcome turned = run(baselines::ce(), "turned",
                             {"student.trained=true", "student.data.task=rotation", "student.train.epochs=1", "run.cache="});
  EXPECT_TRUE(turned.metrics.count("accuracy"));
}

TEST_F(MealTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0", "student.trained=true", "student.train.epochs=1", "run.cache="});
  run(teachers::meal_v2(), "unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      run(teachers::meal_v2(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(MealTest, RefusesWhatCannotBe) {
  const auto line = [&](const std::string& folder, std::vector<std::string> sets) {
    return caught<ConfigError>([&] { run(teachers::meal_v2(), folder, std::move(sets)); }).line;
  };
  EXPECT_NE(line("shrink", {"knobs.shrink=8"}).find("knobs.shrink: a discriminator that shrinks 10 classes by 8 twice"), std::string::npos);
  EXPECT_NE(line("init", with({"knobs.require_init=true"})).find("knobs.require_init: the student starts at random"), std::string::npos);
  EXPECT_NE(line("both", with({"student.start=x", "student.trained=true"}))
                .find("student.trained: the student starts from student.start already"),
            std::string::npos);
  EXPECT_NE(line("none", with({"knobs.w_soft=0.0"})).find("neither teachers nor labels have a weight"), std::string::npos);
  EXPECT_THROW(teachers::mean_probabilities({at::zeros({2, 3}), at::zeros({2, 4})}), ConfigError);
  EXPECT_THROW(run(teachers::meal_v2(), "labels", with({"teacher.show=hard_labels"})), AccessError);
  // Teachers that know the same classes in another order.
  run(baselines::ce(), "forward", {"data.classes=[0,1,2]", "train.epochs=1"});
  run(baselines::ce(), "backward", {"data.classes=[2,1,0]", "train.epochs=1"});
  const std::string order = line("order", {"data.classes=[0,1,2]", "knobs.shrink=1", "teacher.kind=file",
                                           "teacher.files=[\"" + scratch.file("forward") + "\",\"" + scratch.file("backward") + "\"]"});
  EXPECT_NE(order.find("knows the classes in another order"), std::string::npos) << order;
}

}  // namespace
}  // namespace retort

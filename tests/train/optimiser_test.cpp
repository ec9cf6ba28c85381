#include "retort/train/optimiser.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include "retort/base/error.h"

namespace retort {
namespace {

Tensors some_params() {
  auto generator = Seed(3).generator();
  return {at::randn({4, 3}, generator, at::kFloat).requires_grad_(), at::randn({5}, generator, at::kFloat).requires_grad_()};
}

// A gradient that depends on the parameter and the step, and leaves the second tensor out at one step.
void set_gradients(Tensors& params, int step) {
  for (size_t i = 0; i < params.size(); ++i) {
    params[i].mutable_grad() = i == 1 && step == 2 ? Tensor() : Tensor((params[i].detach() * 0.7 + 0.1 * step).sin());
  }
}

// Our rule and libtorch's from the same start, ten steps: the largest difference.
template <class Make>
double distance_from_libtorch(const OptimiserKnobs& knobs, Make make) {
  Tensors ours = some_params(), theirs = some_params();
  Optimiser optimiser;
  optimiser.add({"all", ours, knobs});
  auto reference = make(theirs);
  for (int step = 0; step < 10; ++step) {
    set_gradients(ours, step);
    set_gradients(theirs, step);
    optimiser.step(1);
    reference->step();
  }
  double worst = 0;
  for (size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, (ours[i] - theirs[i]).abs().max().item<double>());
  return worst;
}

TEST(Optimiser, SgdEqualsLibtorch) {
  for (const bool nesterov : {false, true}) {
    OptimiserKnobs knobs;
    knobs.optimiser = "sgd";
    knobs.lr = 0.1;
    knobs.weight_decay = 0.01;
    knobs.nesterov = nesterov;
    EXPECT_LT(distance_from_libtorch(knobs,
                                     [&](Tensors& params) {
                                       return std::make_unique<torch::optim::SGD>(
                                           params, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01).nesterov(nesterov));
                                     }),
              1e-6);
  }
}

TEST(Optimiser, SgdWithoutMomentumEqualsLibtorch) {
  OptimiserKnobs knobs;
  knobs.optimiser = "sgd";
  knobs.lr = 0.3;
  knobs.momentum = 0;
  EXPECT_LT(distance_from_libtorch(
                knobs, [](Tensors& params) { return std::make_unique<torch::optim::SGD>(params, torch::optim::SGDOptions(0.3)); }),
            1e-6);
}

TEST(Optimiser, AdamEqualsLibtorch) {
  OptimiserKnobs knobs;
  knobs.optimiser = "adam";
  knobs.lr = 0.02;
  knobs.weight_decay = 0.05;
  EXPECT_LT(
      distance_from_libtorch(
          knobs,
          [](Tensors& params) { return std::make_unique<torch::optim::Adam>(params, torch::optim::AdamOptions(0.02).weight_decay(0.05)); }),
      1e-6);
}

TEST(Optimiser, AdamwEqualsLibtorch) {
  OptimiserKnobs knobs;
  knobs.optimiser = "adamw";
  knobs.lr = 0.02;
  knobs.weight_decay = 0.1;
  EXPECT_LT(distance_from_libtorch(knobs,
                                   [](Tensors& params) {
                                     return std::make_unique<torch::optim::AdamW>(params,
                                                                                  torch::optim::AdamWOptions(0.02).weight_decay(0.1));
                                   }),
            1e-6);
}

TEST(Optimiser, FusedAndPlainPathsAgree) {
  for (const char* rule : {"sgd", "adam", "adamw"}) {
    OptimiserKnobs knobs;
    knobs.optimiser = rule;
    knobs.lr = 0.05;
    knobs.weight_decay = 0.02;
    Tensors fused = some_params(), plain;  // doubles take the plain path
    for (const auto& param : fused) plain.push_back(param.detach().to(at::kDouble).requires_grad_());
    Optimiser a, b;
    a.add({"all", fused, knobs});
    b.add({"all", plain, knobs});
    for (int step = 0; step < 8; ++step) {
      set_gradients(fused, step);
      set_gradients(plain, step);
      a.step(0.5);
      b.step(0.5);
    }
    for (size_t i = 0; i < fused.size(); ++i) EXPECT_LT((fused[i] - plain[i]).abs().max().item<double>(), 1e-6) << rule;
  }
}

TEST(Optimiser, GroupsHaveTheirOwnRate) {
  Tensor slow = at::zeros({1}).requires_grad_(), fast = at::zeros({1}).requires_grad_();
  OptimiserKnobs knobs;
  knobs.optimiser = "sgd";
  knobs.momentum = 0;
  knobs.lr = 0.1;
  Optimiser optimiser;
  optimiser.add({"slow", {slow}, knobs});
  optimiser.add({"fast", {fast}, knobs, 10});
  slow.mutable_grad() = at::ones({1});
  fast.mutable_grad() = at::ones({1});
  optimiser.step(0.5);
  EXPECT_FLOAT_EQ(slow.item<float>(), -0.05f);
  EXPECT_FLOAT_EQ(fast.item<float>(), -0.5f);
}

TEST(Optimiser, ClipsTheGlobalNorm) {
  Tensor a = at::zeros({1}).requires_grad_(), b = at::zeros({1}).requires_grad_();
  Optimiser optimiser;
  optimiser.add({"a", {a}, {}});
  optimiser.add({"b", {b}, {}});
  a.mutable_grad() = at::full({1}, 3.0);
  b.mutable_grad() = at::full({1}, 4.0);
  EXPECT_DOUBLE_EQ(optimiser.clip_grad_norm(1), 5);
  EXPECT_NEAR(a.grad().item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(b.grad().item<double>(), 0.8, 1e-6);
  EXPECT_NEAR(optimiser.clip_grad_norm(2), 1, 1e-6);
  EXPECT_NEAR(a.grad().item<double>(), 0.6, 1e-6);
}

TEST(Optimiser, GoesOnFromItsState) {
  OptimiserKnobs knobs;
  knobs.lr = 0.05;
  Tensors whole = some_params();
  Optimiser unbroken;
  unbroken.add({"all", whole, knobs});
  for (int step = 0; step < 6; ++step) {
    set_gradients(whole, step);
    unbroken.step(1);
  }
  Tensors parted = some_params();
  Optimiser first;
  first.add({"all", parted, knobs});
  for (int step = 0; step < 3; ++step) {
    set_gradients(parted, step);
    first.step(1);
  }
  Optimiser second;
  second.add({"all", parted, knobs});
  second.load(first.state());
  for (int step = 3; step < 6; ++step) {
    set_gradients(parted, step);
    second.step(1);
  }
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(whole[i].equal(parted[i]));
}

TEST(Schedule, LiteralFactors) {
  ScheduleKnobs cosine;
  EXPECT_DOUBLE_EQ(cosine.factor(0, 100), 1);
  EXPECT_NEAR(cosine.factor(50, 100), 0.5, 1e-12);
  EXPECT_NEAR(cosine.factor(100, 100), 0, 1e-12);
  cosine.warmup = 0.1;
  EXPECT_DOUBLE_EQ(cosine.factor(0, 100), 0.1);
  EXPECT_DOUBLE_EQ(cosine.factor(9, 100), 1);
  EXPECT_NEAR(cosine.factor(55, 100), 0.5, 1e-12);

  ScheduleKnobs steps;
  steps.schedule = "step";
  steps.milestones = {0.5, 0.75};
  EXPECT_DOUBLE_EQ(steps.factor(49, 100), 1);
  EXPECT_DOUBLE_EQ(steps.factor(50, 100), 0.1);
  EXPECT_NEAR(steps.factor(80, 100), 0.01, 1e-12);

  ScheduleKnobs linear;
  linear.schedule = "linear";
  linear.final_lr = 0.2;
  EXPECT_NEAR(linear.factor(50, 100), 0.6, 1e-12);

  ScheduleKnobs one_cycle;
  one_cycle.schedule = "one_cycle";
  EXPECT_NEAR(one_cycle.factor(0, 100), 0.04, 1e-12);
  EXPECT_NEAR(one_cycle.factor(30, 100), 1, 1e-12);
  EXPECT_LT(one_cycle.factor(99, 100), 0.01);

  ScheduleKnobs constant;
  constant.schedule = "constant";
  EXPECT_DOUBLE_EQ(constant.factor(70, 100), 1);
}

}  // namespace
}  // namespace retort

// What methods with several phases share: weights of finished phases, running statistics brought up to date.
#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "tests/support.h"
#include "tests/train/toy.h"

namespace retort {
namespace {

using testing::equal_tensors;
using testing::open_run;
using testing::TemporaryFolder;
using testing::ToyTraining;

TEST(Phases, AFinishedPhaseGivesItsWeights) {
  TemporaryFolder folder;
  ToyTraining toy;
  auto run = open_run(folder / "run");
  TrainJob job = toy.job();
  job.phase = "first";
  train(*run, job);
  Net other = make_net("mlp-8", {2}, 3, Seed(9));
  load_phase(*run, "first", other);
  EXPECT_TRUE(equal_tensors(toy.net, other));
  EXPECT_NE(caught<DataError>([&] { load_phase(*run, "second", other); }).line.find("second.done.safetensors"), std::string::npos);
}

TEST(Phases, RunningStatisticsFollowTheWeights) {
  Net net = make_net("mlp-4-bn", {2}, 3, Seed(3));
  const Tensor inputs = at::randn({300, 2}, Seed(1).generator()) * 3 + 5;
  net.train(false);
  reestimate_batch_norm(net, inputs, 100);
  EXPECT_FALSE(net.training());
  const TensorMap tensors = net.named_tensors();
  const Tensor before = at::linear(inputs, tensors.at("fc1.weight"));
  EXPECT_TRUE(tensors.at("bn1.running_mean").allclose(before.mean(0), 0.1, 0.1));
  EXPECT_TRUE(tensors.at("bn1.running_var").allclose(before.var(0), 0.2, 0.1));
  Net plain = make_net("mlp-4", {2}, 3, Seed(3));
  const Net same = plain.clone();
  reestimate_batch_norm(plain, inputs);
  EXPECT_TRUE(equal_tensors(plain, same));
}

TEST(Phases, LabelsAndTeacherTogether) {
  const Tensor z = at::randn({4, 3}, Seed(1).generator()), t = at::randn({4, 3}, Seed(2).generator());
  Batch batch;
  batch.labels = at::tensor({0, 2, 1, -1}, at::kLong);
  const double ce = losses::cross_entropy(z, batch.labels).item<double>(), kd = losses::kl(z, t, {2, true}).item<double>();
  EXPECT_NEAR(label_and_teacher_loss(z, batch, t, 2, 0.3, 0.7).total().item<double>(), 0.3 * ce + 0.7 * kd, 1e-6);
  EXPECT_NEAR(label_and_teacher_loss(z, batch, {}, 2, 0.3, 0).total().item<double>(), 0.3 * ce, 1e-6);
}

}  // namespace
}  // namespace retort

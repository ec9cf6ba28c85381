#include "retort/nets/model_file.h"
#include "tests/nets/support.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(KernelNet, IsTheKernelTimesItsCoefficients) {
  Net net = make_net("kernel-rbf-2", {3}, 1, Seed(1));
  net.load({{"points", at::tensor({0.f, 0.f, 0.f, 1.f, 1.f, 0.f}).view({2, 3})},
            {"gamma", at::full({1}, 0.5)},
            {"coefficients", at::tensor({2.f, -1.f}).view({2, 1})}},
           "here");
  net.train(false);
  const Tensor y = net.forward(at::zeros({1, 3}));
  EXPECT_NEAR(y.item<double>(), 2 - std::exp(-1.0), 1e-6);
  EXPECT_NEAR(net.frozen().forward(at::zeros({1, 3})).item<double>(), 2 - std::exp(-1.0), 1e-6);
  EXPECT_EQ(net.tap_shape("embedding"), (std::vector<int64_t>{2}));
  EXPECT_EQ(net.param_count(), 2);
}

TEST(KernelNet, IsKeptAsAModel) {
  const Scratch scratch;
  Net net = make_net("kernel-laplace-3", {1, 2, 2}, 2, Seed(1));
  net.load({{"points", at::rand({3, 4})}, {"gamma", at::full({1}, 2.0)}, {"coefficients", at::rand({3, 2})}}, "here");
  InputSpec spec;
  spec.shape = {1, 2, 2};
  spec.classes = {"a", "b"};
  save_model(scratch.file("student"), net, spec);
  const Tensor x = at::rand({5, 1, 2, 2});
  EXPECT_TRUE(load_model(scratch.path()).net.forward(x).equal(net.forward(x)));
}

TEST(KernelNet, NamesThatAreWrong) {
  EXPECT_THROW(make_net("kernel-rbf", {3}, 1, Seed(1)), ConfigError);
  EXPECT_NE(caught<ConfigError>([] { make_net("kernel-cosine-5", {3}, 1, Seed(1)); }).hint.find("kernel-rbf-POINTS"), std::string::npos);
}

}  // namespace
}  // namespace retort

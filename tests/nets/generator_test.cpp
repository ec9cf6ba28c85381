#include "retort/nets/generator.h"

#include "tests/support.h"

namespace retort {
namespace {

TEST(Generator, MakesImagesOfAnySize) {
  for (const int64_t side : {8, 13, 14, 28}) {
    const Net net = image_generator({10, {3, side, side + 1}, 8, true, false}, Seed(1));
    const Tensor made = net.forward(at::randn({2, 10}));
    EXPECT_EQ(made.sizes().vec(), (std::vector<int64_t>{2, 3, side, side + 1}));
    EXPECT_LE(made.abs().max().item<double>(), 1);
    EXPECT_EQ(image_discriminator({3, side, side + 1}, 2, Seed(1)).forward(made).sizes().vec(), (std::vector<int64_t>{2, 1}));
  }
  const Tensor unit = image_generator({10, {1, 8, 8}, 8, false, true}, Seed(1)).forward(at::randn({2, 10}));
  EXPECT_GE(unit.min().item<double>(), 0);
}

TEST(Generator, StartsAsThePaperSays) {
  const Net net = image_generator({50, {1, 28, 28}, 64, true, true}, Seed(2));
  for (size_t i = 0; i < net.params().size(); ++i) {
    const std::string& name = net.param_names()[i];
    if (name.find(".weight") == std::string::npos || net.params()[i].numel() < 64) continue;
    EXPECT_NEAR(net.params()[i].std(/*unbiased=*/true).item<double>(), 0.02, 0.006) << name;
    EXPECT_NEAR(net.params()[i].mean().item<double>(), name.find("norm") == std::string::npos ? 0 : 1, 0.01) << name;
  }
}

TEST(Generator, FrozenItPassesGradientsToItsCodesAlone) {
  Net net = image_generator({4, {1, 8, 8}, 4, true, false}, Seed(3));
  net.train(false);
  const Net ready = net.frozen();
  Tensor codes = at::randn({3, 4});
  const Tensor plain = net.forward(codes).detach();
  codes.requires_grad_(true);
  const Tensor made = ready.forward(codes);
  EXPECT_TRUE(at::allclose(made, plain, 1e-4, 1e-5));
  made.square().sum().backward();
  EXPECT_GT(codes.grad().abs().sum().item<double>(), 0);
  for (const Tensor& param : ready.params()) EXPECT_FALSE(param.grad().defined());
}

TEST(Generator, RefusesWhatIsNoImage) {
  EXPECT_EQ(caught<ConfigError>([] {
              image_generator({4, {8}, 4, true, false}, Seed());
            }).line,
            "a generator makes images [channels, height, width]; the inputs are [8]");
}

}  // namespace
}  // namespace retort

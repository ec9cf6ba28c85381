#include "retort/nets/pruning.h"

#include "tests/support.h"

namespace retort {
namespace {

TEST(Pruning, TakesTheSmallestOfAllLayers) {
  Net net = make_net("mlp-2", {2}, 2, Seed(1));
  {
    const at::NoGradGuard no_grad;
    Tensor first = net.params()[0], second = net.params()[2];
    first.copy_(at::tensor({0.1f, -5.0f, 3.0f, 0.3f}).view({2, 2}));
    second.copy_(at::tensor({-0.2f, 4.0f, 2.0f, 1.0f}).view({2, 2}));
  }
  Tensors masks = pruned_masks(net, full_masks(net), 0.25);  // two of eight
  EXPECT_TRUE(masks[0].equal(at::tensor({0.0f, 1.0f, 1.0f, 1.0f}).view({2, 2})));
  EXPECT_TRUE(masks[2].equal(at::tensor({0.0f, 1.0f, 1.0f, 1.0f}).view({2, 2})));
  masks = pruned_masks(net, masks, 0.34);  // two of the six left: 0.3 and 1
  EXPECT_TRUE(masks[0].equal(at::tensor({0.0f, 1.0f, 1.0f, 0.0f}).view({2, 2})));
  EXPECT_TRUE(masks[2].equal(at::tensor({0.0f, 1.0f, 1.0f, 0.0f}).view({2, 2})));
  EXPECT_DOUBLE_EQ(sparsity(masks), 0.5);
  const Tensor bias = net.params()[1].detach().clone();
  apply_masks(net, masks);
  EXPECT_EQ(net.params()[0][0][0].item<float>(), 0);
  EXPECT_EQ(net.params()[0][0][1].item<float>(), -5);
  EXPECT_TRUE(net.params()[1].equal(bias));
}

TEST(Pruning, RoundsDown) {
  const Net net = make_net("mlp-2", {2}, 2, Seed(1));
  EXPECT_EQ(sparsity(pruned_masks(net, full_masks(net), 0.1)), 0);
}

}  // namespace
}  // namespace retort

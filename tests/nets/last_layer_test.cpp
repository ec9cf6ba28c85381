#include "retort/nets/last_layer.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor images(uint64_t seed) { return at::empty({4, 1, 8, 8}).normal_(0, 1, Seed(seed).generator()); }

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(LastLayer, EndsEveryArchitecture) {
  for (const char* name :
       {"linear", "mlp-6", "cnn-4-8", "convnet-1x4", "resnet8x0.25", "wrn-10-1", "vgg8x0.1", "mobilenetv2-small", "vit-1x16p4"}) {
    Net net = make_net(name, {1, 8, 8}, 3, Seed(1));
    net.train(false);
    const LastLayer place = last_layer(net);
    Taps taps;
    taps.wanted = {"embedding"};
    const Tensor logits = net.forward(images(2), &taps);
    EXPECT_LT(distance(logits, at::linear(taps.found.at("embedding"), net.params()[place.weight], net.params()[place.bias])), 1e-5) << name;
    set_last_layer(net, at::zeros_like(net.params()[place.weight]), at::tensor({1.0f, 2.0f, 3.0f}));
    EXPECT_EQ(distance(net.forward(images(2)), at::tensor({1.0f, 2.0f, 3.0f}).expand({4, 3})), 0) << name;
  }
}

TEST(LastLayer, ADistilledTransformerHasTwo) {
  const auto refusal = caught<ConfigError>([] { last_layer(make_net("vit-1x16p4-distilled", {1, 8, 8}, 3, Seed(1))); });
  EXPECT_EQ(refusal.line, "vit-1x16p4-distilled: does not end in one linear layer on its embedding");
}

TEST(TwinHeads, DecideByTheirMean) {
  Net net = make_net("cnn-4-8", {1, 8, 8}, 3, Seed(1)), twin = with_twin_heads(net, Seed(2));
  net.train(false);
  twin.train(false);
  Taps taps;
  taps.wanted = {"logits"};
  const Tensor mean = twin.forward(images(3), &taps), both = taps.found.at("logits");
  EXPECT_EQ(both.sizes(), at::IntArrayRef({4, 6}));
  EXPECT_LT(distance(both.narrow(1, 0, 3), net.forward(images(3))), 1e-6);  // the net's own head
  EXPECT_GT(distance(both.narrow(1, 3, 3), both.narrow(1, 0, 3)), 1e-3);    // another one
  EXPECT_LT(distance(mean, (both.narrow(1, 0, 3) + both.narrow(1, 3, 3)) / 2), 1e-6);
}

TEST(TwinHeads, JoinIntoThePlainNet) {
  Net twin = with_twin_heads(make_net("resnet8x0.25", {1, 8, 8}, 3, Seed(1)), Seed(2));
  twin.forward(images(4));  // moves the running statistics
  twin.train(false);
  const Net joined = joined_heads(twin);
  EXPECT_EQ(joined.spec(), make_net("resnet8x0.25", {1, 8, 8}, 3, Seed(0)).spec());
  EXPECT_LT(distance(joined.forward(images(3)), twin.forward(images(3))), 1e-5);
}

TEST(DistilledTransformer, AveragesTheHeadsOfTwoTokens) {
  const Net net = make_net("vit-2x16p4-distilled", {1, 8, 8}, 3, Seed(1));
  EXPECT_EQ(net.tap_shape("block1"), (std::vector<int64_t>{6, 16}));  // two tokens before the four patches
  Taps taps;
  taps.wanted = {"class_logits", "distillation_logits", "embedding"};
  const Tensor logits = net.forward(images(3), &taps);
  EXPECT_LT(distance(logits, (taps.found.at("class_logits") + taps.found.at("distillation_logits")) / 2), 1e-6);
  EXPECT_GT(distance(taps.found.at("class_logits"), taps.found.at("distillation_logits")), 1e-4);
  EXPECT_EQ(taps.found.at("embedding").sizes(), at::IntArrayRef({4, 16}));
}

}  // namespace
}  // namespace retort

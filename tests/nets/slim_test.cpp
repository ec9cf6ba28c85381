#include "retort/nets/slim.h"

#include "tests/nets/support.h"
#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::randn(shape, Seed(seed).generator()); }

struct Case {
  std::string net;
  std::vector<int64_t> input;
};
const std::vector<Case> kCases = {
    {"mlp-12-9-7", {1, 4, 4}}, {"mlp-8-6-bn-tanh", {10}}, {"cnn-6-8-5", {1, 8, 8}}, {"vit-2x32p4", {1, 8, 8}}, {"vit-2x64p4", {1, 8, 8}}};

Net made(const Case& c) {
  Net net = make_net(c.net, c.input, 5, Seed(3));
  // Running statistics that differ from channel to channel.
  TensorMap tensors = net.named_tensors();
  for (auto& [name, tensor] : tensors)
    if (name.find("running_var") != std::string::npos) tensor = at::arange(tensor.numel(), at::kFloat) + 1;
  net.load(tensors, "test");
  net.train(false);
  return net;
}

Tensor inputs(const Case& c) {
  std::vector<int64_t> shape = c.input;
  shape.insert(shape.begin(), 3);
  return draws(shape, 5);
}

Groups all_of(const Net& net) {
  Groups kept;
  for (const auto& layer : prunable_layers(net)) kept.push_back(layer.groups);
  return kept;
}

TEST(Slim, LayersAndTheirGroups) {
  const auto groups = [](const Case& c) {
    Groups list;
    for (const auto& layer : prunable_layers(made(c))) list.push_back(layer.groups);
    return list;
  };
  EXPECT_EQ(groups(kCases[0]), (Groups{12, 9, 7}));
  EXPECT_EQ(groups(kCases[2]), (Groups{6, 8, 5}));
  EXPECT_EQ(groups(kCases[4]), (Groups{4, 256, 4, 256}));  // heads and units of two blocks
}

TEST(Slim, AnotherOrderIsTheSameFunction) {
  for (const Case& c : kCases) {
    const Net net = made(c);
    std::vector<Tensor> orders;
    for (const auto& layer : prunable_layers(net)) orders.push_back(permutation(layer.groups, Seed(7).stream(layer.name)));
    const Net other = reordered(net, orders);
    const bool moved = !std::equal(other.params().begin(), other.params().end(), net.params().begin(),
                                   [](const Tensor& a, const Tensor& b) { return a.equal(b); });
    EXPECT_TRUE(moved) << c.net;
    EXPECT_TRUE(other.forward(inputs(c)).allclose(net.forward(inputs(c)), 1e-4, 1e-5)) << c.net;
  }
}

TEST(Slim, AtFullScaleItIsTheNetItself) {
  for (const Case& c : kCases) {
    const Net net = made(c), whole = cut_out(net, all_of(net));
    EXPECT_DOUBLE_EQ(scale_of(net, all_of(net)), 1);
    Net still = whole.clone();
    still.train(false);
    EXPECT_TRUE(still.forward(inputs(c)).equal(net.forward(inputs(c)))) << c.net;
  }
}

TEST(Slim, SlicesAreSubTensorsOfTheSharedSet) {
  const Net net = made(kCases[0]);
  const Groups kept = {5, 4, 3};
  const Net narrow = cut_out(net, kept);
  EXPECT_EQ(narrow.spec().at("arch"), "mlp-5-4-3");
  const Tensors slices = leading_params(net, kept);
  for (size_t i = 0; i < slices.size(); ++i) {
    EXPECT_TRUE(slices[i].equal(narrow.params()[i]));
    EXPECT_EQ(slices[i].data_ptr(), net.params()[i].data_ptr()) << net.param_names()[i];  // no copy
  }
  EXPECT_TRUE(slices[2].equal(net.params()[2].slice(0, 0, 4).slice(1, 0, 5)));
  // Nested: a smaller one is a slice of a larger one.
  const Net larger = cut_out(net, {9, 7, 6});
  EXPECT_TRUE(cut_out(larger, kept).params()[2].equal(narrow.params()[2]));
}

TEST(Slim, HeadsAreCutFromQueriesKeysAndValues) {
  const Net net = made(kCases[4]);
  const Net narrow = cut_out(net, {3, 100, 3, 100});
  EXPECT_EQ(narrow.spec().at("arch"), "vit-2x64p4-h3-f100");
  const Tensor wide = net.named_tensors().at("encoder.layers.encoder_layer_1.self_attention.in_proj_weight").view({3, 4, 16, 64});
  const Tensor cut = narrow.named_tensors().at("encoder.layers.encoder_layer_1.self_attention.in_proj_weight").view({3, 3, 16, 64});
  EXPECT_TRUE(cut.equal(wide.narrow(1, 0, 3)));
  EXPECT_EQ(narrow.forward(inputs(kCases[4])).size(1), 5);
  EXPECT_NE(caught<ConfigError>([&] { cut_out(net, {3, 100, 2, 100}); }).line.find("equally many heads"), std::string::npos);
}

TEST(Slim, GradientsReachTheSharedSet) {
  for (const Case& c : kCases) {
    const Net net = made(c);
    Groups kept = all_of(net);
    for (auto& count : kept) count = (count + 1) / 2;
    Net narrow = cut_out(net, kept);
    narrow.train(false);
    const Tensor shared = narrow.forward_with(leading_params(net, kept), inputs(c));
    EXPECT_TRUE(shared.allclose(narrow.forward(inputs(c)), 1e-5, 1e-6)) << c.net;
    shared.sum().backward();
    const Tensor gradient = net.params().back().grad();
    ASSERT_TRUE(gradient.defined()) << c.net;
    EXPECT_EQ(gradient.sizes(), net.params().back().sizes());
  }
}

TEST(Slim, ScalesAreMetToTheNearestGroup) {
  const Net net = make_net("mlp-256-256-256-256", {1, 14, 14}, 10, Seed(1));
  for (const double scale : {0.05, 0.1, 0.2, 0.5, 0.9, 1.0}) {
    const Groups kept = groups_for_scale(net, scale);
    EXPECT_NEAR(scale_of(net, kept), scale, 0.01) << scale;
    EXPECT_DOUBLE_EQ(scale_of(net, kept), static_cast<double>(cut_out(net, kept).param_count()) / static_cast<double>(net.param_count()));
  }
  const Net vit = made(kCases[4]);
  const Groups kept = groups_for_scale(vit, 0.5);
  EXPECT_DOUBLE_EQ(scale_of(vit, kept), static_cast<double>(cut_out(vit, kept).param_count()) / static_cast<double>(vit.param_count()));
}

// A unit whose weights the loss does not depend on has no importance; the others have |sum of w * gradient|.
TEST(Slim, ImportanceByHand) {
  Net net = make_net("mlp-2", {1}, 1, Seed(1));
  net.load({{"fc1.weight", at::tensor({2.0f, 3.0f}).view({2, 1})},
            {"fc1.bias", at::zeros({2})},
            {"fc.weight", at::tensor({0.5f, 0.0f}).view({1, 2})},
            {"fc.bias", at::zeros({1})}},
           "test");
  const Tensor out = net.forward(at::ones({1, 1}));  // 0.5 * 2 + 0 * 3
  const auto scores = taylor_importance(net, torch::autograd::grad({out.sum()}, net.params(), {}, {}, false, true));
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_NEAR(scores[0][0].item<double>(), 2 * 0.5 + 0.5 * 2, 1e-6);  // incoming and outgoing weight
  EXPECT_NEAR(scores[0][1].item<double>(), 0 + 0, 1e-6);
}

TEST(Slim, RefusesWhatCannotBeCut) {
  EXPECT_NE(caught<ConfigError>([] {
              prunable_layers(make_net("resnet8x0.5", {1, 8, 8}, 10, Seed(1)));
            }).line.find("resnet8x0.5: has no groups"),
            std::string::npos);
  const Net net = made(kCases[0]);
  EXPECT_NE(caught<ConfigError>([&] { cut_out(net, {13, 9, 7}); }).line.find("fc1 has 12 groups and cannot keep 13"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { groups_for_scale(net, 1.2); }).line.find("1.2 times its parameters"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { groups_for_scale(made(kCases[4]), 0.001); }).line.find("with one group a layer"), std::string::npos);
}

}  // namespace
}  // namespace retort

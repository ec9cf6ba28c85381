#include "retort/nets/architectures.h"

#include "tests/nets/support.h"

namespace retort {
namespace {

int64_t params(const std::string& name, const std::vector<int64_t>& shape, int64_t outputs) {
  return make_net(name, shape, outputs, Seed(1)).param_count();
}

using Shape = std::vector<int64_t>;

// Counts from the papers' own code, or summed by hand.
TEST(Architectures, HaveTheirPublishedSizes) {
  EXPECT_EQ(params("linear", {1, 28, 28}, 10), 7850);
  EXPECT_EQ(params("mlp-256-256", {1, 28, 28}, 10), 784 * 256 + 256 + 256 * 256 + 256 + 2570);
  EXPECT_EQ(params("mlp-5-bn", {3}, 2), 15 + 10 + 12);  // the norm's shift stands for the bias
  EXPECT_EQ(params("convnet-3x128", {3, 32, 32}, 10), 320010);
  EXPECT_EQ(params("cnn-16-32", {1, 28, 28}, 10), 144 + 32 + 4608 + 64 + 330);
  EXPECT_EQ(params("resnet20", {3, 32, 32}, 10), 272474);  // 269,722 with parameter-free shortcuts, plus 576 + 2,176 for the projections
  EXPECT_EQ(params("resnet20", {3, 32, 32}, 100), 278324);
  EXPECT_EQ(params("resnet8x4", {3, 32, 32}, 100), 1233540);
  EXPECT_EQ(params("resnet110", {3, 32, 32}, 100), 1736564);
  EXPECT_EQ(params("wrn-16-2", {3, 32, 32}, 100), 703284);
  EXPECT_EQ(params("wrn-40-2", {3, 32, 32}, 100), 2255156);
  EXPECT_EQ(params("vgg8", {3, 32, 32}, 100), 3965028 - 1472);  // the suites' convolutions carry biases that the norm makes idle
  EXPECT_EQ(params("vgg13", {3, 32, 32}, 100), 9462180 - 2944);
  EXPECT_EQ(params("mobilenetv2-small", {3, 32, 32}, 100),
            812836 - 288);  // the suites expand the first unit by one: an idle 16 x 16 convolution
  // 16*192 + 192 + 65*192 + 192 + 6 * (12 d^2 + 13 d) + 2 d + 1,930 with 48 numbers a patch, d = 192
  EXPECT_EQ(params("vit-tiny", {3, 32, 32}, 10), 48 * 192 + 192 + 65 * 192 + 192 + 6 * (12 * 192 * 192 + 13 * 192) + 2 * 192 + 1930);
}

TEST(Architectures, DeclareTheirTaps) {
  const Net resnet = make_net("resnet20", {3, 32, 32}, 10, Seed(1));
  EXPECT_EQ(resnet.tap_names(), (std::vector<std::string>{"stem", "stage1", "stage2", "stage3", "embedding", "pool", "logits"}));
  EXPECT_EQ(resnet.tap_shape("stem"), (Shape{16, 32, 32}));
  EXPECT_EQ(resnet.tap_shape("stage1"), (Shape{16, 32, 32}));
  EXPECT_EQ(resnet.tap_shape("stage2"), (Shape{32, 16, 16}));
  EXPECT_EQ(resnet.tap_shape("stage3"), (Shape{64, 8, 8}));
  EXPECT_EQ(resnet.tap_shape("pool"), (Shape{64}));
  EXPECT_EQ(resnet.tap_shape("embedding"), (Shape{64}));
  EXPECT_EQ(resnet.tap_shape("logits"), (Shape{10}));

  const Net vit = make_net("vit-2x32p2", {1, 8, 8}, 10, Seed(1));
  EXPECT_EQ(vit.tap_names(), (std::vector<std::string>{"tokens", "block1", "block2", "embedding", "logits"}));
  EXPECT_EQ(vit.tap_shape("block2"), (Shape{17, 32}));  // the class token and 4 x 4 patches
  EXPECT_EQ(vit.tap_shape("embedding"), (Shape{32}));

  EXPECT_EQ(make_net("mlp-9-5", {4}, 2, Seed(1)).tap_names(), (std::vector<std::string>{"embedding", "hidden1", "hidden2", "logits"}));
  EXPECT_EQ(make_net("mlp-9-5", {4}, 2, Seed(1)).tap_shape("embedding"), (Shape{5}));
  EXPECT_EQ(make_net("linear", {1, 8, 8}, 2, Seed(1)).tap_shape("embedding"), (Shape{64}));
}

TEST(Architectures, UseTorchvisionsNames) {
  const auto has = [](const Net& net, const char* name) { return net.named_tensors().count(name) == 1; };
  const Net resnet = make_net("resnet20", {3, 32, 32}, 10, Seed(1));
  for (const char* name :
       {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer3.2.bn2.bias", "fc.weight"}) {
    EXPECT_TRUE(has(resnet, name)) << name;
  }
  EXPECT_FALSE(has(resnet, "layer1.0.downsample.0.weight"));
  const Net vit = make_net("vit-2x32p2", {1, 8, 8}, 10, Seed(1));
  for (const char* name : {"class_token", "conv_proj.bias", "encoder.pos_embedding",
                           "encoder.layers.encoder_layer_1.self_attention.in_proj_weight", "encoder.ln.weight", "heads.head.bias"}) {
    EXPECT_TRUE(has(vit, name)) << name;
  }
  EXPECT_TRUE(has(make_net("mobilenetv2-small", {3, 32, 32}, 10, Seed(1)), "features.2.conv.1.0.weight"));
}

// The smallest map that a net works on, by input side.
TEST(Architectures, AdaptToSmallImages) {
  const auto last_map = [](const std::string& name, const Shape& input, const std::string& tap) {
    return make_net(name, input, 10, Seed(1)).tap_shape(tap)[1];
  };
  EXPECT_EQ(last_map("resnet8", {1, 8, 8}, "stage3"), 4);
  EXPECT_EQ(last_map("resnet8", {1, 14, 14}, "stage3"), 4);
  EXPECT_EQ(last_map("resnet8", {1, 28, 28}, "stage3"), 7);
  EXPECT_EQ(last_map("wrn-10-1", {3, 32, 32}, "stage3"), 8);
  EXPECT_EQ(last_map("vgg8", {3, 32, 32}, "stage5"), 4);
  EXPECT_EQ(last_map("vgg8", {1, 8, 8}, "stage5"), 4);
  EXPECT_EQ(last_map("convnet-3x4", {1, 8, 8}, "stage3"), 1);
  EXPECT_EQ(last_map("convnet-4x4", {1, 8, 8}, "stage3"), 2);  // a third pool would leave the last norm one pixel
  EXPECT_EQ(last_map("convnet-3x4", {1, 14, 14}, "stage3"), 1);
  EXPECT_EQ(last_map("convnet-3x4", {3, 32, 32}, "stage3"), 4);
  EXPECT_EQ(last_map("cnn-2-2-2-2", {1, 8, 8}, "stage4"), 2);
  EXPECT_EQ(last_map("mobilenetv2-small", {3, 32, 32}, "stage4"), 2);
  EXPECT_EQ(last_map("mobilenetv2-small", {1, 8, 8}, "stem"), 8);
  EXPECT_EQ(make_net("vit-tiny", {1, 8, 8}, 10, Seed(1)).tap_shape("tokens")[0], 1 + 16);
  EXPECT_EQ(make_net("vit-tiny", {1, 14, 14}, 10, Seed(1)).tap_shape("tokens")[0], 1 + 49);
  EXPECT_EQ(make_net("vit-tiny", {1, 28, 28}, 10, Seed(1)).tap_shape("tokens")[0], 1 + 49);
  EXPECT_EQ(make_net("vit-tiny", {3, 32, 32}, 10, Seed(1)).tap_shape("tokens")[0], 1 + 64);
}

class EveryNet : public testing::TestWithParam<std::string> {
 protected:
  Net net = make_net(GetParam(), {1, 8, 8}, 3, Seed(1));
  Tensor x = some_inputs({1, 8, 8}, 5);
};

TEST_P(EveryNet, RunsOnEveryShape) {
  for (const Shape& shape : {Shape{1, 8, 8}, Shape{1, 14, 14}, Shape{1, 28, 28}, Shape{3, 32, 32}}) {
    const Tensor y = make_net(GetParam(), shape, 7, Seed(1)).frozen().forward(some_inputs(shape, 2));
    EXPECT_EQ(y.sizes(), at::IntArrayRef({2, 7}));
    EXPECT_TRUE(y.isfinite().all().item<bool>());
  }
}

TEST_P(EveryNet, FrozenEqualsEval) {
  perturb(net);
  net.train(false);
  const Net frozen = net.frozen();
  Taps a{net.tap_names(), {}}, b{net.tap_names(), {}};
  const Tensor expected = net.forward(x, &a), got = frozen.forward(x, &b);
  EXPECT_TRUE(at::allclose(got, expected, 1e-5, 1e-5)) << (got - expected).abs().max().item<double>();
  for (const auto& [name, value] : a.found) EXPECT_TRUE(at::allclose(b.found.at(name), value, 1e-4, 1e-5)) << name;
  for (const auto& [name, value] : net.named_tensors()) EXPECT_TRUE(at::equal(frozen.named_tensors().at(name), value)) << name;
}

TEST_P(EveryNet, TapsHaveTheirShapesAndOutliveThePass) {
  Taps taps{net.tap_names(), {}};
  net.train(false);
  const Tensor y = net.forward(x, &taps);
  for (const std::string& name : net.tap_names()) {
    Shape shape = net.tap_shape(name);
    shape.insert(shape.begin(), 5);
    EXPECT_EQ(taps.found.at(name).sizes(), at::IntArrayRef(shape)) << name;
  }
  EXPECT_EQ(net.tap_shape("embedding").size(), 1u);
  // Nothing behind a tap overwrote it: the rest of the net run from it gives the same answer.
  for (size_t i = 0; i + 1 < net.blocks().size(); ++i) {
    EXPECT_TRUE(at::equal(net.forward_blocks(i + 1, net.blocks().size(), taps.found.at(net.blocks()[i].name)), y)) << net.blocks()[i].name;
  }
}

TEST_P(EveryNet, BlocksMayBeRunOneByOneAndLeaveTheirInputs) {
  net.train(false);
  const Tensor before = x.clone(), whole = net.forward(x);
  Tensor y = x;
  for (size_t i = 0; i < net.blocks().size(); ++i) {
    const Tensor input = y, kept = y.clone();
    y = net.forward_blocks(i, i + 1, input);
    EXPECT_TRUE(at::equal(input, kept)) << net.blocks()[i].name;
  }
  EXPECT_TRUE(at::equal(y, whole));
  EXPECT_TRUE(at::equal(x, before));
}

TEST_P(EveryNet, ForwardWithItsOwnParametersIsForward) {
  net.train(false);
  EXPECT_TRUE(at::equal(net.forward_with(net.params(), x), net.forward(x)));
}

TEST_P(EveryNet, EveryParameterLearns) {
  seed_global_generator(Seed(1));
  net.forward(x).pow(2).sum().backward();
  for (size_t i = 0; i < net.params().size(); ++i) EXPECT_TRUE(net.params()[i].grad().defined()) << net.param_names()[i];
}

TEST_P(EveryNet, IsTheSameForTheSameSeed) {
  const Net again = make_net(net.spec(), Seed(1)), other = make_net(net.spec(), Seed(2));
  net.train(false);
  for (const auto& [name, value] : net.named_tensors()) EXPECT_TRUE(at::equal(again.named_tensors().at(name), value)) << name;
  EXPECT_FALSE(at::equal(other.params().front(), net.params().front()));
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(, EveryNet, testing::ValuesIn(kEveryNet), test_name);

// d/dw of the squared gradient, against differences of it: the graph goes through a gradient.
class SecondOrder : public testing::TestWithParam<std::string> {};
TEST_P(SecondOrder, GradientsOfGradients) {
  const Net net = make_net(GetParam(), {1, 8, 8}, 3, Seed(1));
  const Tensor x = some_inputs({1, 8, 8}, 4).to(at::kDouble), labels = at::tensor({0, 1, 2, 1}, at::kLong);
  Tensors start;
  for (const Tensor& p : net.params()) start.push_back(p.detach().to(at::kDouble));
  const auto squared_gradient = [&](const Tensors& params) {
    const Tensor loss = at::cross_entropy_loss(net.forward_with(params, x), labels);
    Tensor sum = at::zeros({}, at::kDouble);
    for (const Tensor& g : torch::autograd::grad({loss}, params, {}, /*retain_graph=*/true, /*create_graph=*/true))
      sum = sum + g.pow(2).sum();
    return sum;
  };
  const auto leaves = [&](double step, const Tensors& direction) {
    Tensors params;
    for (size_t i = 0; i < start.size(); ++i) params.push_back((start[i] + step * direction[i]).requires_grad_());
    return params;
  };
  Tensors direction;
  for (size_t i = 0; i < start.size(); ++i)
    direction.push_back(at::empty_like(start[i]).normal_(0, 1, Seed(7).stream("direction", i).generator()));
  const Tensors params = leaves(0, direction);
  const auto gradients = torch::autograd::grad({squared_gradient(params)}, params, {}, {}, false, /*allow_unused=*/true);
  double along = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) along += (gradients[i] * direction[i]).sum().item<double>();
  }
  const double step = 1e-6;
  const double difference = (squared_gradient(leaves(step, direction)) - squared_gradient(leaves(-step, direction))).item<double>() /
                            (2 * step);
  EXPECT_NEAR(along, difference, 1e-4 * std::max(1.0, std::abs(difference)));
  EXPECT_GT(std::abs(along), 1e-6);
}
INSTANTIATE_TEST_SUITE_P(, SecondOrder,
                         testing::Values("mlp-12-7", "mlp-12-tanh", "convnet-2x6", "convnet-2x6-nonorm-softplus60", "vit-1x16p4"),
                         test_name);

TEST(Architectures, NamesTheNearestFamily) {
  const auto asked = [](const std::string& name) { return caught<ConfigError>([&] { make_net(name, {3, 32, 32}, 10, Seed(1)); }); };
  EXPECT_EQ(asked("resnt20").line, "no net is called 'resnt20'");
  EXPECT_EQ(
      asked("resnt20").hint,
      "the nearest family is resnet: resnetDEPTH[xW], CIFAR-style residual net of 6n+2 layers with a width factor, as in resnet20x0.5");
  EXPECT_EQ(asked("mlp").hint.find("the nearest family is mlp: mlp-WIDTH-WIDTH"), 0u);
  EXPECT_EQ(asked("mlp-64-sigmoid").hint.find("the nearest family is mlp"), 0u);
  EXPECT_EQ(asked("mobilnetv2").hint.find("the nearest family is mobilenetv2-small"), 0u);
  EXPECT_EQ(asked("transformer").hint.find("nets are linear, mlp"), 0u);
  for (const char* name : {"", "resnet", "resnet20x", "resnet20x0", "resnet20y2", "vgg16", "vit-4x64", "convnet-3", "cnn-", "mlp-0",
                           "mlp-99999999999999999999", "mlp-8-drop1", "wrn-16", "linear-2", "mlp-drop0.1", "convnet-2x4-softplusx"}) {
    EXPECT_THROW(make_net(name, {3, 32, 32}, 10, Seed(1)), ConfigError) << name;
  }
}

TEST(Architectures, SayWhyANetCannotBe) {
  const auto asked = [](const std::string& name, const Shape& shape) {
    return caught<ConfigError>([&] { make_net(name, shape, 10, Seed(1)); });
  };
  EXPECT_EQ(asked("resnet21", {3, 32, 32}).line, "net 'resnet21': the depth must be 6n+2");
  EXPECT_EQ(asked("resnet21", {3, 32, 32}).hint, "the nearest is resnet20");
  EXPECT_EQ(asked("wrn-17-2", {3, 32, 32}).hint, "the nearest is wrn-16");
  EXPECT_EQ(asked("resnet20", {30}).line, "net 'resnet20' reads images [c,h,w]; these inputs are [30]");
  EXPECT_EQ(asked("vit-2x32p5", {1, 28, 28}).line, "net 'vit-2x32p5' on [1,28,28]: patches of 5 pixels do not tile the image");
  EXPECT_EQ(asked("vit-2x200p4", {1, 28, 28}).line, "net 'vit-2x200p4' on [1,28,28]: width 200 is not made of whole heads");
  EXPECT_THROW(make_net("linear", {0}, 10, Seed(1)), ConfigError);
  EXPECT_THROW(make_net(nlohmann::json{{"arch", "linear"}}, Seed(1)), ConfigError);
}

TEST(Architectures, EveryFormIsListed) {
  const auto forms = net_forms();
  EXPECT_EQ(forms.size(), 13u);
  for (const auto& [form, about] : forms) EXPECT_FALSE(form.empty() || about.empty());
}

}  // namespace
}  // namespace retort

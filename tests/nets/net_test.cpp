#include "retort/nets/net.h"

#include "retort/nets/layers.h"
#include "tests/nets/support.h"

namespace retort {
namespace {

// A net whose every number is known: y = W x + b with W all 0.5 and b all 1.
Net known_net() {
  NetBuilder b(Seed(1));
  const Slot w = b.param("fc.weight", {2, 3}, {Init::Kind::constant, 0.5}), c = b.param("fc.bias", {2}, {Init::Kind::ones});
  b.block("logits", [=](const Tensor& x, const Frame& frame) { return at::linear(x, frame.params[w], frame.params[c]); });
  return b.finish({{"arch", "known"}}, {3}, 2);
}

TEST(Net, RunsItsBlocks) {
  const Tensor y = known_net().forward(at::tensor({1.f, 2.f, 3.f}).view({1, 3}));
  EXPECT_TRUE(at::equal(y, at::full({1, 2}, 4.f)));
}

TEST(Net, ForwardWithTakesOtherParameters) {
  const Net net = known_net();
  const Tensor x = at::ones({1, 3});
  EXPECT_TRUE(at::equal(net.forward_with({at::ones({2, 3}), at::zeros({2})}, x), at::full({1, 2}, 3.f)));
  EXPECT_THROW(net.forward_with({at::ones({2, 3})}, x), std::invalid_argument);
  EXPECT_THROW(net.forward_with({at::ones({2, 3}), at::zeros({3})}, x), std::invalid_argument);
}

TEST(Net, ParametersDependOnSeedAndNameAlone) {
  NetBuilder forth(Seed(5)), back(Seed(5)), other(Seed(6));
  const Init init = kaiming_uniform(4);
  forth.param("a", {4}, init), forth.param("b", {4}, init);
  back.param("b", {4}, init), back.param("a", {4}, init);
  other.param("a", {4}, init), other.param("b", {4}, init);
  const auto pass = [](const Tensor& x, const Frame&) { return x; };
  forth.block("logits", pass), back.block("logits", pass), other.block("logits", pass);
  const Net x = forth.finish({}, {1}, 1), y = back.finish({}, {1}, 1), z = other.finish({}, {1}, 1);
  EXPECT_TRUE(at::equal(x.named_tensors().at("a"), y.named_tensors().at("a")));
  EXPECT_TRUE(at::equal(x.named_tensors().at("b"), y.named_tensors().at("b")));
  EXPECT_FALSE(at::equal(x.named_tensors().at("a"), x.named_tensors().at("b")));
  EXPECT_FALSE(at::equal(x.named_tensors().at("a"), z.named_tensors().at("a")));
}

TEST(Net, InitialValuesFollowTheirLaw) {
  NetBuilder b(Seed(2));
  b.param("uniform", {40000}, kaiming_uniform(16));      // U(-1/4, 1/4): deviation 1/sqrt(48)
  b.param("normal", {40000}, kaiming_normal(8));         // deviation 1/2
  b.param("truncated", {40000}, truncated_normal(0.1));  // cut at 0.2: deviation 0.0880
  b.block("logits", [](const Tensor& x, const Frame&) { return x; });
  const TensorMap t = b.finish({}, {1}, 1).named_tensors();
  EXPECT_NEAR(t.at("uniform").std().item<double>(), 0.14434, 0.002);
  EXPECT_LE(t.at("uniform").abs().max().item<double>(), 0.25);
  EXPECT_NEAR(t.at("normal").std().item<double>(), 0.5, 0.008);
  EXPECT_NEAR(t.at("truncated").std().item<double>(), 0.0880, 0.0015);
  EXPECT_LE(t.at("truncated").abs().max().item<double>(), 0.2 + 1e-6);
}

TEST(Net, TheGlobalGeneratorIsLeftAlone) {
  const Tensor before = global_generator_state();
  make_net("resnet8", {1, 8, 8}, 3, Seed(1));
  EXPECT_TRUE(at::equal(before, global_generator_state()));
}

TEST(Net, CloneHasTensorsOfItsOwn) {
  Net net = make_net("cnn-4", {1, 8, 8}, 3, Seed(1));
  const Net copy = net.clone();
  const Tensor x = some_inputs({1, 8, 8}, 2), before = copy.forward(x);
  {
    const at::NoGradGuard no_grad;
    for (const Tensor& p : net.params()) p.zero_();
  }
  EXPECT_TRUE(at::equal(copy.forward(x), before));
  EXPECT_TRUE(copy.params().front().requires_grad());
  EXPECT_EQ(net.forward(x).abs().max().item<double>(), 0);
}

TEST(Net, RedrawnStartsAfresh) {
  Net net = make_net("cnn-4", {1, 8, 8}, 3, Seed(1));
  perturb(net);
  const Net again = net.redrawn(Seed(9)), first = make_net("cnn-4", {1, 8, 8}, 3, Seed(9));
  for (const auto& [name, tensor] : first.named_tensors()) EXPECT_TRUE(at::equal(tensor, again.named_tensors().at(name))) << name;
}

TEST(Net, RunningStatisticsMoveInTrainingOnly) {
  Net net = make_net("cnn-4", {1, 8, 8}, 3, Seed(1));
  const Tensor start = net.buffers()[0].clone(), x = some_inputs({1, 8, 8}, 4);
  net.train(false);
  net.forward(x);
  EXPECT_TRUE(at::equal(net.buffers()[0], start));
  net.train();
  net.forward(x);
  EXPECT_FALSE(at::equal(net.buffers()[0], start));
}

TEST(Net, FrozenGivesGradientsToTheInputAlone) {
  const Net frozen = make_net("cnn-4", {1, 8, 8}, 3, Seed(1)).frozen();
  EXPECT_TRUE(frozen.is_frozen());
  EXPECT_FALSE(frozen.forward(some_inputs({1, 8, 8}, 2)).requires_grad());
  const Tensor x = some_inputs({1, 8, 8}, 2).requires_grad_();
  frozen.forward(x).sum().backward();
  EXPECT_GT(x.grad().abs().max().item<double>(), 0);
  for (const Tensor& p : frozen.params()) EXPECT_FALSE(p.grad().defined());
  Net copy = frozen;
  EXPECT_THROW(copy.train(), std::logic_error);
}

TEST(Net, FrozenFollowsNewWeights) {
  Net net = make_net("cnn-4", {1, 8, 8}, 3, Seed(1)), frozen = net.frozen();
  perturb(net);
  net.train(false);
  const Tensor x = some_inputs({1, 8, 8}, 2);
  EXPECT_FALSE(at::allclose(frozen.forward(x), net.forward(x), 0, 1e-5));
  frozen.copy_from(net);
  EXPECT_TRUE(at::allclose(frozen.forward(x), net.forward(x), 0, 1e-5));
}

TEST(Net, AdoptsTensorsAsTheyAre) {
  Net net = make_net("mlp-4", {3}, 2, Seed(1));
  const Tensor flat = at::zeros({net.param_count()});
  Tensors views;
  int64_t at_entry = 0;
  for (const Tensor& p : net.params()) {
    views.push_back(flat.narrow(0, at_entry, p.numel()).view(p.sizes()));
    at_entry += p.numel();
  }
  net.adopt_params(views);
  flat.fill_(1);
  EXPECT_EQ(net.forward(at::ones({1, 3}))[0][0].item<float>(), 4 * 4 + 1);
  views.pop_back();
  EXPECT_THROW(net.adopt_params(views), std::invalid_argument);
}

TEST(Net, NamesTheNearestTap) {
  const Net net = make_net("resnet8", {1, 8, 8}, 3, Seed(1));
  Taps taps{{"stage4"}, {}};
  const Caught error = caught<ConfigError>([&] { net.forward(some_inputs({1, 8, 8}, 1), &taps); });
  EXPECT_EQ(error.line, "resnet8: no tap is called 'stage4'");
  EXPECT_EQ(error.hint.find("did you mean 'stage"), 0u);
  EXPECT_THROW(net.tap_shape("nothing like it"), ConfigError);
}

TEST(Net, SaysWhichInputsItReads) {
  const Net net = make_net("cnn-4", {1, 8, 8}, 3, Seed(1));
  EXPECT_EQ(caught<DataError>([&] { net.forward(at::zeros({2, 1, 9, 8})); }).line, "cnn-4: reads inputs [batch,1,8,8], received [2,1,9,8]");
  EXPECT_THROW(net.forward(at::zeros({1, 8, 8})), DataError);
}

TEST(Net, LoadNamesWhatDoesNotFit) {
  Net net = make_net("mlp-4", {3}, 2, Seed(1));
  TensorMap good = net.named_tensors(), missing = good, odd = good, shaped = good;
  missing.erase("fc.bias");
  EXPECT_EQ(caught<DataError>([&] { net.load(missing, "w"); }).line, "w: tensor 'fc.bias' of mlp-4 is missing");
  odd["fc.bios"] = at::zeros({2});
  const Caught unexpected = caught<DataError>([&] { net.load(odd, "w"); });
  EXPECT_EQ(unexpected.line, "w: tensor 'fc.bios' does not belong to mlp-4");
  EXPECT_EQ(unexpected.hint, "the nearest name is 'fc.bias'");
  shaped["fc.bias"] = at::zeros({3});
  EXPECT_EQ(caught<DataError>([&] { net.load(shaped, "w"); }).line, "w: tensor 'fc.bias' of mlp-4 should have shape [2], found [3]");
  good["bn1.num_batches_tracked"] = at::zeros({}, at::kLong);  // PyTorch's counters are passed over
  net.load(good, "w");
}

TEST(Net, RefusesWeightsOfAnotherArchitecture) {
  Net net = make_net("mlp-4", {3}, 2, Seed(1));
  EXPECT_EQ(caught<ConfigError>([&] { net.copy_from(make_net("mlp-5", {3}, 2, Seed(1))); }).line, "weights of mlp-5 do not fit mlp-4");
}

TEST(Layers, BatchNormMatchesItsFormula) {
  NetBuilder b(Seed(1));
  b.block("logits", batch_norm(b, "bn", 2));
  Net net = b.finish({}, {2}, 2);
  const Tensor x = at::tensor({1.f, 10.f, 3.f, 30.f}).view({2, 2});
  // Columns {1,3} and {10,30} are standardised with the biased deviation; running values move by a tenth, the variance unbiased.
  EXPECT_TRUE(at::allclose(net.forward(x), at::tensor({-1.f, -1.f, 1.f, 1.f}).view({2, 2}), 1e-4));
  EXPECT_TRUE(at::allclose(net.buffers()[0], at::tensor({0.2f, 2.f})));
  EXPECT_TRUE(at::allclose(net.buffers()[1], at::tensor({0.9f + 0.2f, 0.9f + 20.f})));
}

// The fast layout is kept from the first convolution on, and changes no value.
TEST(Layers, ConvolutionsWorkChannelsLast) {
  for (const int64_t channels : {1, 3}) {
    const Net net = make_net("resnet8", {channels, 8, 8}, 3, Seed(1)), frozen = net.frozen();
    const Tensor x = some_inputs({channels, 8, 8}, 4);
    for (const Net* each : {&net, &frozen}) {
      Taps taps{{"stem", "stage1", "stage3"}, {}};
      each->forward(x, &taps);
      for (const auto& [name, value] : taps.found)
        EXPECT_EQ(value.suggest_memory_format(), at::MemoryFormat::ChannelsLast) << name << " " << channels;
    }
    Taps taps{{"tokens"}, {}};
    make_net("vit-1x16p4", {channels, 8, 8}, 3, Seed(1)).forward(x, &taps);
    EXPECT_TRUE(taps.found.at("tokens").is_contiguous());

    NetBuilder b(Seed(1));
    b.block("conv", conv2d(b, "conv", channels, 2, 3, 1, 1));
    b.block("logits", flatten());
    const Net conv = b.finish({}, {channels, 4, 4}, 32);
    const Tensor small = some_inputs({channels, 4, 4}, 3),
                 plain = at::conv2d(small.to(at::kDouble), conv.params()[0].to(at::kDouble), conv.params()[1].to(at::kDouble), 1, 1);
    EXPECT_TRUE(at::allclose(conv.forward(small).to(at::kDouble), plain.flatten(1), 1e-5, 1e-6));
  }
}

TEST(Layers, TransposedConvolutionDoublesTheMap) {
  NetBuilder b(Seed(1));
  b.block("logits", chain({conv_transpose2d(b, "up", 2, 3, 4, 2, 1), flatten()}));
  EXPECT_EQ(b.finish({}, {2, 5, 5}, 300).outputs(), 300);  // 3 x 10 x 10
}

TEST(Layers, DropoutKeepsTheMeanAndStopsInEval) {
  NetBuilder b(Seed(1));
  b.block("logits", dropout(0.25));
  Net net = b.finish({}, {10000}, 10000);
  seed_global_generator(Seed(4));
  const Tensor y = net.forward(at::ones({1, 10000}));
  EXPECT_NEAR((y == 0).to(at::kFloat).mean().item<double>(), 0.25, 0.02);
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.75, 1e-6);
  net.train(false);
  EXPECT_TRUE(at::equal(net.forward(at::ones({1, 10000})), at::ones({1, 10000})));
}

}  // namespace
}  // namespace retort

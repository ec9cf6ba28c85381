#include "tests/nets/support.h"

namespace retort {
namespace {

// One step by the definition: i, f, g, o gates; c = f c + i g; h = o tanh(c).
std::pair<Tensor, Tensor> step(const TensorMap& p, const Tensor& x, const Tensor& h, const Tensor& c) {
  const Tensor gates = at::linear(x, p.at("lstm.weight_ih_l0"), p.at("lstm.bias_ih_l0")) +
                       at::linear(h, p.at("lstm.weight_hh_l0"), p.at("lstm.bias_hh_l0"));
  const auto parts = gates.chunk(4, 1);
  const Tensor next = at::sigmoid(parts[1]) * c + at::sigmoid(parts[0]) * at::tanh(parts[2]);
  return {at::sigmoid(parts[3]) * at::tanh(next), next};
}

TEST(Recurrent, ReadsAnImageRowByRow) {
  const Net net = make_net("lstm-5", {2, 4, 3}, 3, Seed(1));
  const Tensor x = some_inputs({2, 4, 3}, 2);
  const TensorMap p = net.named_tensors();
  Tensor h = at::zeros({2, 5}), c = at::zeros({2, 5});
  for (int64_t row = 0; row < 4; ++row) std::tie(h, c) = step(p, x.select(2, row).flatten(1), h, c);
  EXPECT_LT((net.forward(x) - at::linear(h, p.at("fc.weight"), p.at("fc.bias"))).abs().max().item<double>(), 1e-5);
}

TEST(Recurrent, GradientsReachEveryWeight) {
  for (const std::string name : {"lstm-5", "chars-3-lstm4", "chars-3-6-5"}) {
    const bool image = name == "lstm-5";
    const Net net = make_net(name, image ? std::vector<int64_t>{1, 8, 8} : std::vector<int64_t>{6}, 4, Seed(1));
    const Tensor x = image ? some_inputs({1, 8, 8}, 3) : at::arange(18, at::kFloat).remainder(4).view({3, 6});
    net.forward(x).square().sum().backward();
    for (size_t i = 0; i < net.params().size(); ++i)
      EXPECT_GT(net.params()[i].grad().abs().sum().item<double>(), 0) << name << " " << net.param_names()[i];
    EXPECT_EQ(net.tap_shape("embedding").size(), 1u);
  }
}

TEST(Recurrent, CharactersAreEmbeddedAndJoined) {
  const Net net = make_net("chars-2-3", {2}, 4, Seed(1));
  const TensorMap p = net.named_tensors();
  const Tensor joined = at::cat({p.at("embed.weight")[3], p.at("embed.weight")[1]}),
               hidden = at::relu(at::linear(joined.unsqueeze(0), p.at("fc1.weight"), p.at("fc1.bias")));
  EXPECT_TRUE(net.forward(at::tensor({3.0F, 1.0F}).view({1, 2})).allclose(at::linear(hidden, p.at("fc.weight"), p.at("fc.bias"))));
}

TEST(Recurrent, RefusesOtherInputs) {
  EXPECT_NE(caught<ConfigError>([] { make_net("chars-4-8", {1, 8, 8}, 4, Seed(1)); }).line.find("reads characters"), std::string::npos);
  EXPECT_NE(caught<ConfigError>([] { make_net("lstm-8", {5}, 4, Seed(1)); }).line.find("reads images"), std::string::npos);
}

}  // namespace
}  // namespace retort

#include "retort/nets/linear_map.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::randn(shape, Seed(seed).generator()); }

void shake(Net& net) {
  TensorMap tensors = net.named_tensors();
  for (auto& [name, tensor] : tensors)
    if (name.rfind("map.", 0) == 0) tensor = draws(tensor.sizes().vec(), 4);
  net.load(tensors, "test");
}

TEST(LinearMap, TwoMapsAreOne) {
  for (const auto& [a, b, c] : {std::tuple(std::vector<int64_t>{3}, std::vector<int64_t>{7}, std::vector<int64_t>{4}),
                                std::tuple(std::vector<int64_t>{3, 5, 5}, std::vector<int64_t>{7, 5, 5}, std::vector<int64_t>{4, 5, 5})}) {
    const Net first = linear_map(a, b, Seed(1)), second = linear_map(b, c, Seed(2)), both = linear_map(a, c, Seed(3));
    const auto [weight, bias] = folded_maps(first, second);
    Net folded = both.clone();
    folded.load({{"map.weight", weight.view_as(folded.params()[0])}, {"map.bias", bias}}, "test");
    std::vector<int64_t> shape = a;
    shape.insert(shape.begin(), 6);
    const Tensor x = draws(shape, 5);
    EXPECT_LT((folded.forward(x) - second.forward(first.forward(x))).abs().max().item<double>(), 1e-5);
  }
  EXPECT_NE(caught<ConfigError>([] {
              linear_map({3, 4, 4}, {5, 2, 2}, Seed());
            }).line.find("no linear map of channels leads from features [3,4,4] to [5,2,2]"),
            std::string::npos);
}

TEST(LinearMap, InsideANetItBeginsAsTheIdentityAndIsFoundAgain) {
  for (const std::string name : {"mlp-8-6-5", "cnn-4-6"}) {
    const Net plain = make_net(name, {1, 8, 8}, 3, Seed(1));
    const std::string behind = name[0] == 'm' ? "hidden2" : "stage1";
    Net longer = with_linear_maps(plain, {behind});
    const Tensor x = draws({4, 1, 8, 8}, 2);
    longer.train(false);
    Net still = plain.clone();
    still.train(false);
    EXPECT_TRUE(longer.forward(x).allclose(still.forward(x), 1e-5, 1e-6));
    EXPECT_EQ(longer.params().size(), plain.params().size() + 2);
    EXPECT_EQ(longer.tap_shape("map." + behind), plain.tap_shape(behind));
    shake(longer);
    EXPECT_FALSE(longer.forward(x).allclose(still.forward(x)));
    Net again = make_net(longer.spec(), Seed(9));
    again.load(longer.named_tensors(), "test");
    again.train(false);
    EXPECT_TRUE(again.forward(x).equal(longer.forward(x)));
    EXPECT_TRUE(again.frozen().forward(x).allclose(longer.forward(x), 1e-4, 1e-5));
    longer.forward(x).sum().backward();
    EXPECT_TRUE(longer.params().back().grad().defined());
  }
  EXPECT_NE(caught<ConfigError>([] {
              with_linear_maps(make_net("mlp-8", {4}, 3, Seed(1)), {"hidden3"});
            }).line.find("no block is called 'hidden3'"),
            std::string::npos);
}

TEST(LinearMap, AnMlpTakesItsMapsIn) {
  Net longer = with_linear_maps(make_net("mlp-8-6-5", {4}, 3, Seed(1)), {"hidden1", "hidden3"});
  shake(longer);
  const Net plain = with_maps_absorbed(longer);
  EXPECT_EQ(plain.spec(), make_net("mlp-8-6-5", {4}, 3, Seed(1)).spec());
  const Tensor x = draws({10, 4}, 3);
  EXPECT_LT((plain.forward(x) - longer.forward(x)).abs().max().item<double>(), 1e-4);
  const Net normed = with_linear_maps(make_net("mlp-8-6-bn", {4}, 3, Seed(1)), {"hidden1"});
  EXPECT_TRUE(with_maps_absorbed(normed).spec().contains("maps"));
}

}  // namespace
}  // namespace retort

#include "retort/nets/class_head.h"

#include "retort/nets/model_file.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(ClassHead, SumsProbabilitiesOfSubclasses) {
  const Tensor z = at::tensor({0.0, std::log(2.0), std::log(3.0), std::log(4.0)}, at::kFloat).view({1, 4});
  EXPECT_TRUE(at::softmax(joined_subclasses(z, 2), 1).allclose(at::tensor({0.3, 0.7}, at::kFloat)));
  EXPECT_TRUE(joined_subclasses(z, 1).allclose(z));
}

TEST(ClassHead, EndsTheNetAndKeepsItsSubclassLogitsAsATap) {
  const Net inner = make_net("mlp-6", {4}, 6, Seed(1)), net = with_class_head(inner, 3);
  const Tensor x = at::empty({5, 4}).normal_(0, 1, Seed(2).generator());
  Taps taps{{"logits"}, {}};
  const Tensor classes = net.forward(x, &taps);
  EXPECT_EQ(net.outputs(), 2);
  EXPECT_TRUE(taps.found.at("logits").equal(inner.forward(x)));
  EXPECT_TRUE(classes.equal(joined_subclasses(inner.forward(x), 3)));
  EXPECT_EQ(net.tap_shape("classes"), std::vector<int64_t>{2});
  EXPECT_TRUE(net.frozen().forward(x).allclose(classes));
}

TEST(ClassHead, IsMadeAgainFromTheSpec) {
  const Scratch scratch;
  const Net net = with_class_head(make_net("mlp-6", {4}, 6, Seed(1)), 3);
  InputSpec input;
  input.shape = {4};
  input.classes = {"a", "b"};
  save_model(scratch.file("student"), net, input);
  const Net loaded = load_model(scratch.file("student")).net;
  const Tensor x = at::ones({2, 4});
  EXPECT_TRUE(loaded.forward(x).equal(net.forward(x)));
}

TEST(ClassHead, RefusesOutputsThatDoNotDivide) { EXPECT_THROW(with_class_head(make_net("mlp-6", {4}, 5, Seed(1)), 3), ConfigError); }

}  // namespace
}  // namespace retort

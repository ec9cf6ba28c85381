#include "retort/teachers/kept_answers.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

TEST(NetTeacher, SaysWhatTheNetSays) {
  Net net = tiny_net();
  const auto teacher = net_teacher(net);
  const Dataset data = tiny_data();
  const Signals said = teacher->ask(data.ids, data.inputs, true, {true, true, {"hidden1"}});
  net.train(false);
  Taps taps{{"hidden1"}, {}};
  const Tensor logits = net.forward(data.inputs, &taps);
  EXPECT_TRUE(at::allclose(said.logits, logits, 0, 1e-6));
  EXPECT_TRUE(at::equal(said.labels, logits.argmax(1)));
  EXPECT_TRUE(at::allclose(said.features.at("hidden1"), taps.found.at("hidden1"), 0, 1e-6));
  EXPECT_FALSE(said.logits.requires_grad());
  EXPECT_EQ(teacher->classes(), 3);
  EXPECT_EQ(teacher->about(), "mlp-6, 51 parameters");
  EXPECT_EQ(teacher->tap_shape("hidden1"), (std::vector<int64_t>{6}));
}

TEST(NetTeacher, IsACopyThatTrainingDoesNotTouch) {
  Net net = tiny_net();
  const auto teacher = net_teacher(net);
  const Dataset data = tiny_data();
  const Tensor before = teacher->ask(data.ids, data.inputs, false, {true}).logits;
  {
    const at::NoGradGuard no_grad;
    for (const Tensor& p : net.params()) p.zero_();
  }
  EXPECT_TRUE(at::equal(teacher->ask(data.ids, data.inputs, false, {true}).logits, before));
  EXPECT_TRUE(teacher->net()->is_frozen());
}

TEST(NetTeacher, ShowsNoMoreThanItMay) {
  const Dataset data = tiny_data();
  const auto labels = net_teacher(tiny_net(), Access::hard_labels), logits = net_teacher(tiny_net(), Access::logits);
  EXPECT_TRUE(labels->ask(data.ids, data.inputs, true, {false, true}).labels.defined());
  EXPECT_THROW(labels->ask(data.ids, data.inputs, true, {true}), AccessError);
  EXPECT_THROW(labels->ask(data.ids, data.inputs, true, {false, false, {}, 2}), AccessError);
  EXPECT_THROW(logits->ask(data.ids, data.inputs, true, {false, false, {"hidden1"}}), AccessError);
  EXPECT_THROW(logits->tap_shape("hidden1"), AccessError);
  EXPECT_TRUE(logits->tap_names().empty());
  EXPECT_EQ(logits->net(), nullptr);
  EXPECT_EQ(net_teacher(tiny_net(), Access::features)->net(), nullptr);
  EXPECT_THROW(net_teacher(tiny_net(), Access::text), ConfigError);
}

// A resumed run asks about the samples in other company than an unbroken one: every bit must be the same.
class AnyCompany : public testing::TestWithParam<std::string> {};
TEST_P(AnyCompany, GivesTheSameBits) {
  const Net net = make_net(GetParam(), {3, 16, 16}, 10, Seed(1));
  Dataset data;
  data.name = "noise";
  data.inputs = at::empty({100, 3, 16, 16}, at::kByte).random_(0, 256, Seed(2).generator());
  data.ids = at::arange(100, at::kLong);
  data.labels = at::zeros({100}, at::kLong);
  data.spec.shape = {3, 16, 16};
  const Wanted wanted{true, false, {"embedding"}};
  const auto ask_in_order = [&](const Tensor& order, int64_t batch) {
    const auto teacher = net_teacher(net);
    teacher->serve(data);
    std::vector<Tensor> logits, features;
    for (int64_t first = 0; first < 100; first += batch) {
      const Dataset part = data.take(order.slice(0, first, std::min<int64_t>(100, first + batch)));
      const Signals said = teacher->ask(part.ids, prepared_inputs(part), true, wanted);
      logits.push_back(said.logits), features.push_back(said.features.at("embedding"));
    }
    const Tensor back = order.argsort();
    return std::make_pair(at::cat(logits).index_select(0, back), at::cat(features).index_select(0, back));
  };
  const auto straight = ask_in_order(at::arange(100, at::kLong), 64);
  EXPECT_TRUE(at::allclose(straight.first, net.frozen().forward(prepared_inputs(data)), 1e-4, 1e-5));
  for (const int64_t batch : {1, 7, 100}) {
    const auto mixed = ask_in_order(permutation(100, Seed(static_cast<uint64_t>(batch))), batch);
    EXPECT_TRUE(at::equal(mixed.first, straight.first)) << batch;
    EXPECT_TRUE(at::equal(mixed.second, straight.second)) << batch;
  }
}
INSTANTIATE_TEST_SUITE_P(, AnyCompany, testing::Values("mlp-256-256", "resnet8x0.5", "vit-2x48p4", "mobilenetv2-smallx0.25"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace retort

#include "tests/teachers/support.h"

namespace retort {
namespace {

const Tensor kFirst = at::tensor({0.8, 0.1, 0.1, 0.2, 0.3, 0.5}).view({2, 3}).log();  // rows are log-probabilities
const Tensor kSecond = at::tensor({0.2, 0.6, 0.2, 0.4, 0.3, 0.3}).view({2, 3}).log();
const Tensor kIds = at::tensor({0, 1}, at::kLong);

std::vector<std::unique_ptr<Teacher>> two(Access first = Access::logits, Access second = Access::logits) {
  std::vector<std::unique_ptr<Teacher>> members;
  members.push_back(std::make_unique<Fixed>(kFirst + 3, first, "one"));  // a constant per row changes no probability
  members.push_back(std::make_unique<Fixed>(kSecond, second, "two"));
  return members;
}

TEST(EnsembleTeacher, AveragesProbabilities) {
  const auto equal = ensemble_teacher(two(), {});
  const Signals said = equal->ask(kIds, {}, true, {true, true});
  EXPECT_TRUE(at::allclose(said.logits.exp(), at::tensor({0.5, 0.35, 0.15, 0.3, 0.3, 0.4}).view({2, 3})));
  EXPECT_TRUE(at::equal(said.labels, at::tensor({0, 2}, at::kLong)));
  const auto weighted = ensemble_teacher(two(), {1, 3});
  EXPECT_TRUE(
      at::allclose(weighted->ask(kIds, {}, true, {true}).logits.exp(), at::tensor({0.35, 0.475, 0.175, 0.35, 0.3, 0.35}).view({2, 3})));
  const auto one = ensemble_teacher(two(), {0, 2});
  EXPECT_TRUE(at::allclose(one->ask(kIds, {}, true, {true}).logits, kSecond));
}

TEST(EnsembleTeacher, AveragesLogits) {
  const auto teacher = ensemble_teacher(two(), {1, 3}, /*average_logits=*/true);
  EXPECT_TRUE(at::allclose(teacher->ask(kIds, {}, true, {true}).logits, 0.25 * (kFirst + 3) + 0.75 * kSecond));
}

TEST(EnsembleTeacher, TellsItsMembersApart) {
  Wanted wanted;
  wanted.logits = wanted.members = true;
  const Signals said = ensemble_teacher(two(), {1, 3})->ask(kIds, {}, true, wanted);
  ASSERT_EQ(said.members.size(), 2u);
  EXPECT_TRUE(said.members[0].equal(kFirst + 3));
  EXPECT_TRUE(said.members[1].equal(kSecond));
}

TEST(EnsembleTeacher, VotesWhereOnlyLabelsAreShown) {
  const auto teacher = ensemble_teacher(two(Access::hard_labels, Access::logits), {2, 1});
  EXPECT_EQ(teacher->access(), Access::hard_labels);
  EXPECT_TRUE(at::equal(teacher->ask(kIds, {}, true, {false, true}).labels, at::tensor({0, 2}, at::kLong)));
  EXPECT_THROW(teacher->ask(kIds, {}, true, {true}), AccessError);
}

TEST(EnsembleTeacher, NamesItsMembersFeatures) {
  std::vector<std::unique_ptr<Teacher>> members;
  members.push_back(net_teacher(tiny_net(1)));
  members.push_back(net_teacher(make_net("mlp-5", {4}, 3, Seed(2))));
  const auto teacher = ensemble_teacher(std::move(members), {});
  EXPECT_EQ(teacher->access(), Access::features);
  EXPECT_EQ(teacher->tap_shape("1:hidden1"), (std::vector<int64_t>{5}));
  const Dataset data = tiny_data();
  const Signals said = teacher->ask(data.ids, data.inputs, true, {false, false, {"1:hidden1", "0:embedding"}});
  EXPECT_EQ(said.features.at("1:hidden1").size(1), 5);
  EXPECT_EQ(said.features.at("0:embedding").size(1), 6);
  EXPECT_FALSE(said.logits.defined());
  for (const char* name : {"embedding", "2:embedding", ":embedding", "x:embedding", "0:nothing"})
    EXPECT_THROW(teacher->tap_shape(name), ConfigError) << name;
}

TEST(EnsembleTeacher, RefusesMembersThatDoNotFit) {
  auto members = two();
  members.push_back(std::make_unique<Fixed>(at::zeros({2, 4}), Access::logits, "three"));
  EXPECT_EQ(caught<ConfigError>([&] { ensemble_teacher(std::move(members), {}); }).line,
            "teachers of an ensemble must know the same classes: 'one' has 3, 'three' has 4");
  EXPECT_THROW(ensemble_teacher({}, {}), ConfigError);
  for (const std::vector<double>& weights : {std::vector<double>{1}, {1, -1}, {0, 0}, {1, std::nan("")}, {1, 2, 3}})
    EXPECT_THROW(ensemble_teacher(two(), weights), ConfigError);
}

}  // namespace
}  // namespace retort

#include "retort/teachers/teacher.h"

#include "tests/teachers/support.h"

namespace retort {
namespace {

TEST(Access, NamesGoBothWays) {
  for (const char* name : {"none", "text", "hard_labels", "topk", "logits", "features", "weights"})
    EXPECT_EQ(to_string(access_from(name)), name);
  EXPECT_LT(Access::hard_labels, Access::topk);
  EXPECT_LT(Access::topk, Access::logits);
  EXPECT_LT(Access::features, Access::weights);
  EXPECT_EQ(caught<ConfigError>([] { access_from("logit"); }).hint, "did you mean 'logits'?");
}

TEST(Access, QuestionsNeedALevel) {
  EXPECT_EQ(access_for({}), Access::none);
  EXPECT_EQ(access_for({false, true, {}, 0}), Access::hard_labels);
  EXPECT_EQ(access_for({false, true, {}, 2}), Access::topk);
  EXPECT_EQ(access_for({true, true, {}, 2}), Access::logits);
  EXPECT_EQ(access_for({false, false, {"embedding"}, 0}), Access::features);
}

TEST(Access, RefusalsSayWhoNeedsWhat) {
  const auto teacher = net_teacher(tiny_net(), Access::hard_labels);
  require_access(*teacher, Access::hard_labels, "m");
  const Caught error = caught<AccessError>([&] { require_access(*teacher, Access::logits, "kd.hinton"); });
  EXPECT_EQ(error.line, "kd.hinton needs logits; the teacher (mlp-6, 51 parameters) shows hard_labels");
  EXPECT_NE(error.hint.find("--access hard_labels"), std::string::npos);
}

TEST(SpreadTopk, PutsTheTailOnTheOthers) {
  const Tensor p = at::tensor({0.5, 0.3, 0.12, 0.08}).view({1, 4});
  const Tensor spread = spread_topk(at::tensor({0.5, 0.3}).log().view({1, 2}), at::tensor({0, 1}, at::kLong).view({1, 2}),
                                    at::tensor({0.2}).log(), 4);
  EXPECT_TRUE(at::allclose(spread.exp(), at::tensor({0.5, 0.3, 0.1, 0.1}).view({1, 4})));
  const Tensor whole = spread_topk(p.log(), at::arange(4).view({1, 4}), at::tensor({-std::numeric_limits<double>::infinity()}), 4);
  EXPECT_TRUE(at::allclose(whole.exp(), p));
}

TEST(WithCommas, GroupsThousands) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(272474), "272,474");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
}

}  // namespace
}  // namespace retort

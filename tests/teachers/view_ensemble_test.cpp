#include "retort/teachers/view_ensemble.h"

#include "retort/data/transforms.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

struct Setting {
  InputSpec spec;
  ViewKnobs views;
  Net net = make_net("mlp-6", {1, 4, 4}, 3, Seed(1));
  Tensor ids = at::arange(20, 26, at::kLong), clean = at::empty({6, 1, 4, 4}).normal_(0, 1, Seed(2).generator());
  Wanted logits;
  Setting() {
    spec.shape = {1, 4, 4};
    views.policy = "fixed-ensemble";
    views.shift = 1, views.flip = true, views.crops = 3;
    logits.logits = true;
  }
  std::unique_ptr<Teacher> teacher() const { return view_ensemble_teacher(net_teacher(net), views, spec, Seed(3)); }
};

TEST(ViewEnsemble, AnswersTheMeanProbabilityOfItsViews) {
  const Setting s;
  const Tensor said = s.teacher()->ask(s.ids, s.clean, true, s.logits).logits;
  const Tensor views = random_views(s.clean.narrow(0, 1, 1).expand({3, 1, 4, 4}).contiguous(), at::arange(3, at::kLong), s.views, s.spec,
                                    Seed(3).stream("sample", 21));
  EXPECT_TRUE(at::softmax(said[1], 0).allclose(at::softmax(s.net.frozen().forward(views), 1).mean(0), 1e-5, 1e-6));
  EXPECT_NEAR(at::softmax(said[1], 0).sum().item<double>(), 1, 1e-6);
  EXPECT_FALSE(said.allclose(s.net.frozen().forward(s.clean), 1e-3, 1e-3));
}

TEST(ViewEnsemble, AnswersAlikeInAnyCompany) {
  const Setting s;
  const Tensor together = s.teacher()->ask(s.ids, s.clean, true, s.logits).logits;
  const auto other = s.teacher();
  for (int64_t i = 5; i >= 0; --i)
    EXPECT_TRUE(other->ask(s.ids.narrow(0, i, 1), s.clean.narrow(0, i, 1), true, s.logits).logits.equal(together.narrow(0, i, 1)));
  EXPECT_TRUE(other->ask(s.ids, at::zeros_like(s.clean), true, s.logits).logits.equal(together));  // kept, not asked again
}

TEST(ViewEnsemble, PassesOtherInputsOn) {
  const Setting s;
  EXPECT_TRUE(s.teacher()->ask(s.ids, s.clean, false, s.logits).logits.allclose(s.net.frozen().forward(s.clean), 1e-5, 1e-6));
}

TEST(ViewEnsemble, ShowsLogitsAtTheMost) {
  const Setting s;
  EXPECT_EQ(s.teacher()->access(), Access::logits);
  EXPECT_THROW(view_ensemble_teacher(net_teacher(s.net, Access::hard_labels), s.views, s.spec, Seed(3)), AccessError);
}

}  // namespace
}  // namespace retort

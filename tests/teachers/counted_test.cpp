#include "retort/teachers/counted.h"

#include "tests/support.h"

namespace retort {
namespace {

// Answers with whatever it is given.
class Parrot final : public Teacher {
 public:
  Tensor answer = at::zeros({1, 3});
  Access level = Access::weights;
  Access access() const override { return level; }
  int64_t classes() const override { return 3; }
  std::string about() const override { return "parrot"; }
  Signals ask(const Tensor&, const Tensor& inputs, bool, const Wanted&) override {
    ++asked;
    saw_gradient = inputs.requires_grad() || at::GradMode::is_enabled();
    Signals said;
    said.logits = answer.dim() == 2 && answer.size(0) == 1 ? answer.expand({inputs.size(0), answer.size(1)}) : answer;
    said.labels = at::full({inputs.size(0)}, label, at::kLong);
    return said;
  }
  int64_t asked = 0, label = 0;
  bool saw_gradient = false;
};

TEST(Counted, CountsInputsAndStopsBeforeItAsks) {
  Parrot parrot;
  CountedTeacher api(parrot, 10);
  EXPECT_EQ(api.access(), Access::logits);
  EXPECT_EQ(api.net(), nullptr);
  Tensor inputs = at::zeros({6, 2});
  inputs.requires_grad_(true);
  EXPECT_FALSE(api.logits(inputs).requires_grad());
  EXPECT_FALSE(parrot.saw_gradient);
  EXPECT_EQ(api.calls(), 6);
  const auto spent = caught<BudgetError>([&] { api.labels(at::zeros({5, 2})); });
  EXPECT_EQ(spent.line, "the budget of 10 calls is spent: 6 made, 5 more asked for");
  EXPECT_EQ(parrot.asked, 1);
  EXPECT_EQ(api.labels(at::zeros({4, 2})).size(0), 4);
  EXPECT_EQ(api.calls(), 10);
}

TEST(Counted, RefusesAnswersOfAnotherShapeOrNone) {
  Parrot parrot;
  CountedTeacher api(parrot);
  parrot.answer = at::zeros({1, 4});
  EXPECT_EQ(caught<TeacherError>([&] { api.logits(at::zeros({2, 2})); }).line, "the teacher (parrot) answered [2, 4]; expected [2, 3]");
  parrot.answer = at::full({1, 3}, std::nan(""));
  EXPECT_EQ(caught<TeacherError>([&] {
              api.logits(at::zeros({2, 2}));
            }).line,
            "the teacher (parrot) answered with numbers that are not finite");
  parrot.label = 3;
  EXPECT_EQ(caught<TeacherError>([&] { api.labels(at::zeros({2, 2})); }).line, "the teacher (parrot) answered with a label outside 0 to 2");
  parrot.level = Access::hard_labels;
  caught<AccessError>([&] { api.logits(at::zeros({2, 2})); });
}

TEST(Counted, AsksInBatches) {
  Parrot parrot;
  CountedTeacher api(parrot);
  EXPECT_EQ(api.logits(at::zeros({2500, 1})).size(0), 2500);
  EXPECT_EQ(parrot.asked, 3);
}

}  // namespace
}  // namespace retort

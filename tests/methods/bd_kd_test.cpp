#include "retort/methods/logits/bd_kd.h"

#include "retort/losses/soft_targets.h"
#include "retort/methods/baselines/ce.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using logits::balanced_loss;
using logits::divergence_balance;

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }
Tensor row(double p) { return at::tensor({std::log(p), std::log(1 - p)}, at::kDouble).view({1, 2}); }

TEST(BdKd, ASurerStudentIsSpreadByHand) {
  const Tensor teacher = row(0.5), student = row(0.9);
  const auto balance = divergence_balance(student, teacher, 1, 2);
  EXPECT_DOUBLE_EQ(balance.forward.item<double>(), 2);
  EXPECT_DOUBLE_EQ(balance.reverse.item<double>(), 1);
  EXPECT_NEAR(balanced_loss(student, teacher, 1, balance).item<double>(), 2 * 0.5108256 + 0.3680642, 1e-6);
  const auto other = divergence_balance(teacher, student, 1, 2);
  EXPECT_DOUBLE_EQ(other.forward.item<double>(), 1);
  EXPECT_DOUBLE_EQ(other.reverse.item<double>(), 2);
}

TEST(BdKd, TheSmoothBalanceEndsInTheSwitch) {
  const Tensor s = draws({6, 4}, 1), t = draws({6, 4}, 2);
  const auto hard = divergence_balance(s, t, 2, 3), sharp = divergence_balance(s, t, 2, 3, 1e-6),
             flat = divergence_balance(s, t, 2, 3, 1e6);
  EXPECT_TRUE(sharp.forward.allclose(hard.forward));
  EXPECT_TRUE(sharp.reverse.allclose(hard.reverse));
  EXPECT_TRUE(flat.forward.allclose(at::full({6}, 2.0, at::kDouble), 1e-4));
  EXPECT_TRUE((hard.forward + hard.reverse).allclose(at::full({6}, 4.0, at::kDouble)));
}

TEST(BdKd, DeltaOneIsTheSymmetricDivergence) {
  const Tensor s = draws({6, 4}, 1), t = draws({6, 4}, 2);
  const double both = (losses::kl(s, t, {3, true}) + losses::reverse_kl(s, t, {3, true})).item<double>();
  EXPECT_NEAR(balanced_loss(s, t, 3, divergence_balance(s, t, 3, 1)).item<double>(), both, 1e-9);
}

TEST(BdKd, EqualNetsFeelNothing) {
  const Tensor s = draws({6, 4}, 1).requires_grad_(true);
  const Tensor loss = balanced_loss(s, s.detach(), 2, divergence_balance(s, s, 2, 2));
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 0, 1e-12);
  EXPECT_LT(s.grad().abs().max().item<double>(), 1e-12);
}

TEST(BdKd, NoGradientReachesTheTeacher) {
  const Tensor s = draws({6, 4}, 1).requires_grad_(true), t = draws({6, 4}, 2).requires_grad_(true);
  balanced_loss(s, t, 2, divergence_balance(s, t, 2, 2)).backward();
  EXPECT_GT(s.grad().abs().max().item<double>(), 0);
  EXPECT_FALSE(t.grad().defined());
}

class BdKdTest : public MethodTest {
 protected:
  // The small recipe without its teacher.
  Outcome together(const std::string& folder, std::vector<std::string> sets = {}) {
    std::string recipe = kSmallRecipe;
    recipe.erase(recipe.find("[teacher]"), recipe.find("[student]") - recipe.find("[teacher]"));
    sets.insert(sets.begin(), "knobs.teachers=[\"cnn-4-8\"]");
    sets.push_back("run.dir=" + scratch.file(folder));
    retort::Run run(Recipe::parse(recipe, "small.toml", sets));
    run.quiet = true;
    logits::bd_kd().run(run);
    run.finish();
    return run.outcome;
  }
};

TEST_F(BdKdTest, WithoutDivergencesTheStudentIsAloneAndTheTeacherLearnsToo) {
  const Outcome outcome = together("apart", {"knobs.weight=0.0", "train.epochs=8", "knobs.teachers=[\"mlp-64\"]"});
  run(baselines::ce(), "ce8", {"train.epochs=8"});
  EXPECT_EQ(student("ce8"), student("apart"));
  EXPECT_GT(outcome.metrics.at("teacher.accuracy"), 30);
  EXPECT_GT(outcome.metrics.at("agreement"), 0);
  EXPECT_EQ(load_model(scratch.file("apart") + "/teacher").net.spec().at("arch"), "mlp-64");
}

TEST_F(BdKdTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.delta=1.0"},
                                                         {"knobs.student_divergence=forward"},
                                                         {"knobs.student_divergence=reverse"},
                                                         {"knobs.student_divergence=forward", "knobs.teacher_divergence=forward"},
                                                         {"knobs.kappa=0.1"},
                                                         {"knobs.teacher_lr=0.001"},
                                                         {"knobs.students=2"},
                                                         {"knobs.balance_after=1.0"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    together(std::to_string(i), choices[i]);
    students.insert(student(std::to_string(i)));
  }
  // Balance that never begins is delta = 1.
  EXPECT_EQ(students.size(), choices.size() - 1);
  EXPECT_EQ(student("1"), student("8"));
}

TEST_F(BdKdTest, SeveralTeachersAndStudentsLearnTogether) {
  const Outcome outcome = together("many", {"knobs.students=2", "knobs.teachers=[\"cnn-4-8\",\"mlp-16\"]"});
  EXPECT_GT(outcome.metrics.at("teacher.accuracy"), 0);
  EXPECT_GT(term("many", "teacher.ce"), 0);
}

TEST_F(BdKdTest, RefusesATeacherThatStandsStill) {
  const auto refusal = caught<ConfigError>([&] { run(logits::bd_kd(), "frozen"); });
  EXPECT_NE(refusal.line.find("[teacher]: bd-kd trains its teachers itself"), std::string::npos) << refusal.line;
  EXPECT_NE(refusal.hint.find("kd.hinton"), std::string::npos) << refusal.hint;
  EXPECT_FALSE(file_exists(scratch.file("frozen")));
  const auto delta = caught<ConfigError>([&] { together("delta", {"knobs.delta=0.0"}); });
  EXPECT_NE(delta.line.find("knobs.delta"), std::string::npos) << delta.line;
}

}  // namespace
}  // namespace retort

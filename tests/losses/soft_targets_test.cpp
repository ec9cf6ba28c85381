#include "retort/losses/soft_targets.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort::losses {
namespace {

const auto kDoubles = at::TensorOptions().dtype(at::kDouble);

Tensor draws(std::vector<int64_t> shape, uint64_t seed, double scale = 1) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(shape, generator, kDoubles) * scale;
}

Tensor rows(std::vector<std::vector<double>> values) {
  std::vector<Tensor> made;
  for (const auto& row : values) made.push_back(torch::tensor(row, kDoubles));
  return at::stack(made);
}

Tensor gradient(const Tensor& loss, const Tensor& input) { return torch::autograd::grad({loss}, {input})[0]; }

double largest_gap(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(ProbabilityMse, HandValues) {
  // softmax (1/2, 1/2) against (1, 0): 1/4 + 1/4; (3/4, 1/4) against (0, 1): 9/16 + 9/16; a row without a target does not count.
  const Tensor logits = rows({{0, 0}, {std::log(3.0), 0}, {5, 0}}), targets = rows({{1, 0}, {0, 1}, {0, 0}});
  EXPECT_NEAR(probability_mse(logits, targets).item<double>(), (0.5 + 1.125) / 2, 1e-12);
  EXPECT_EQ(probability_mse(logits, at::zeros_like(logits)).item<double>(), 0);
  EXPECT_THROW(probability_mse(logits, at::zeros({3, 3}, kDoubles)), ConfigError);
}

TEST(CrossEntropy, HandValues) {
  const Tensor logits = rows({{0, 0}, {std::log(3.0), 0}});
  EXPECT_NEAR(cross_entropy(logits, torch::tensor({0, 0}, at::kLong)).item<double>(), (std::log(2.0) + std::log(4.0 / 3)) / 2, 1e-12);
}

TEST(CrossEntropy, UnlabelledRowsDoNotCount) {
  const Tensor logits = draws({4, 3}, 1).requires_grad_();
  const Tensor some = cross_entropy(logits, torch::tensor({2, -1, 0, -1}, at::kLong));
  const Tensor kept = cross_entropy(logits.index_select(0, torch::tensor({0, 2})), torch::tensor({2, 0}, at::kLong));
  EXPECT_NEAR(some.item<double>(), kept.item<double>(), 1e-12);
  const Tensor none = cross_entropy(logits, at::full({4}, -1, at::kLong));
  EXPECT_EQ(none.item<double>(), 0);
  EXPECT_EQ(gradient(none, logits).abs().sum().item<double>(), 0);
}

TEST(CrossEntropy, RefusesLabelsOutsideTheClasses) {
  try {
    cross_entropy(draws({2, 3}, 1), torch::tensor({1, 3}, at::kLong));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "cross_entropy: label 3 of row 1 is outside [0, 3)");
  }
}

TEST(SmoothedCrossEntropy, IsSoftCrossEntropyOfTheSmoothedTarget) {
  const Tensor logits = draws({5, 4}, 2), labels = torch::tensor({0, 3, 1, 2, 2}, at::kLong);
  const Tensor target = 0.9 * at::one_hot(labels, 4).to(at::kDouble) + 0.1 / 4;
  EXPECT_NEAR(smoothed_cross_entropy(logits, labels, 0.1).item<double>(), soft_cross_entropy(logits, target).item<double>(), 1e-12);
  EXPECT_NEAR(smoothed_cross_entropy(logits, labels, 0).item<double>(), cross_entropy(logits, labels).item<double>(), 1e-12);
  const Tensor partly = torch::tensor({0, -1, 1, -1, -1}, at::kLong), kept = torch::tensor({0, 2});
  EXPECT_NEAR(smoothed_cross_entropy(logits, partly, 0.3).item<double>(),
              smoothed_cross_entropy(logits.index_select(0, kept), partly.index_select(0, kept), 0.3).item<double>(), 1e-12);
}

TEST(SoftCrossEntropy, GradientIsProbabilityMinusTarget) {
  const Tensor logits = draws({3, 4}, 3).requires_grad_(), target = at::softmax(draws({3, 4}, 4), 1);
  EXPECT_LT(largest_gap(gradient(soft_cross_entropy(logits, target), logits), (at::softmax(logits, 1) - target) / 3), 1e-12);
}

TEST(MixedTarget, HandValues) {
  const Tensor own = rows({{0.5, 0.25, 0.25}, {0.1, 0.2, 0.7}});
  EXPECT_LT(largest_gap(mixed_target(torch::tensor({2, -1}, at::kLong), own, 0.4), rows({{0.2, 0.1, 0.7}, {0.1, 0.2, 0.7}})), 1e-12);
  EXPECT_LT(largest_gap(mixed_target(torch::tensor({2, 0}, at::kLong), own, 0), rows({{0, 0, 1}, {1, 0, 0}})), 1e-12);
}

TEST(Kl, HandValuesBothWays) {
  // p_t = (0.5, 0.5), p_s = (0.9, 0.1).
  const Tensor teacher = rows({{0, 0}}), student = rows({{std::log(9.0), 0}});
  EXPECT_NEAR(kl(student, teacher).item<double>(), 0.5108256, 1e-6);
  EXPECT_NEAR(reverse_kl(student, teacher).item<double>(), 0.3680642, 1e-6);
}

TEST(Kl, IsZeroExactlyForAConstantShiftPerRow) {
  const Tensor teacher = draws({4, 5}, 5), shift = draws({4, 1}, 6);
  EXPECT_NEAR(kl(teacher + shift, teacher, {4}).item<double>(), 0, 1e-14);
  Tensor other = teacher.clone();
  other[2][3] += 0.1;
  EXPECT_GT(kl(other, teacher, {4}).item<double>(), 1e-6);
}

TEST(Kl, DoesNotSeeConstantsAddedToEitherSide) {
  const Tensor student = draws({4, 5}, 7), teacher = draws({4, 5}, 8);
  const double value = kl(student, teacher, {3}).item<double>();
  EXPECT_NEAR(kl(student + 7, teacher - 2, {3}).item<double>(), value, 1e-12);
}

TEST(Kl, GradientPerSampleIsTTimesTheDifferenceOfProbabilities) {
  const double t = 4;
  const Tensor student = draws({6, 5}, 9).requires_grad_(), teacher = draws({6, 5}, 10);
  const Tensor expected = t * (at::softmax(student / t, 1) - at::softmax(teacher / t, 1)) / 6;
  EXPECT_LT(largest_gap(gradient(kl(student, teacher, Temperature{t}.scaled()), student), expected), 1e-12);
}

TEST(Kl, HighTemperatureMatchesCentredLogits) {
  const Tensor student = draws({6, 5}, 11).requires_grad_(), teacher = draws({6, 5}, 12);
  const auto centred = [](const Tensor& z) { return z - z.mean(1, true); };
  const Tensor expected = (centred(student) - centred(teacher)) / (6 * 5);
  EXPECT_LT(largest_gap(gradient(kl(student, teacher, Temperature{1e5}.scaled()), student), expected), 1e-5);
}

TEST(Kl, NoGradientReachesTheTeacher) {
  const Tensor student = draws({2, 3}, 13).requires_grad_(), teacher = draws({2, 3}, 14).requires_grad_();
  for (const Tensor& loss : {kl(student, teacher), reverse_kl(student, teacher)}) {
    EXPECT_FALSE(torch::autograd::grad({loss}, {teacher}, {}, {}, false, /*allow_unused=*/true)[0].defined());
  }
}

TEST(Kl, AClassThatTheTeacherRulesOutCountsNothing) {
  const Tensor teacher = rows({{0, 0, -std::numeric_limits<double>::infinity()}}), student = rows({{0, 0, 0}}).requires_grad_();
  const Tensor loss = kl(student, teacher);
  EXPECT_NEAR(loss.item<double>(), std::log(1.5), 1e-12);
  EXPECT_TRUE(gradient(loss, student).isfinite().all().item<bool>());
}

TEST(Kl, RefusesAnotherNumberOfClasses) {
  try {
    kl(draws({2, 3}, 1), draws({2, 4}, 1));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "kl: the student answers 3 classes, the teacher 4");
  }
  EXPECT_THROW(kl(draws({2, 3}, 1), draws({2, 3}, 1), {0}), ConfigError);
}

TEST(Entropy, RisesWithTemperatureToLogClasses) {
  const Tensor logits = draws({3, 8}, 15, 3);
  EXPECT_TRUE((entropy_rows(logits, 2) > entropy_rows(logits, 1)).all().item<bool>());
  EXPECT_LT((entropy_rows(logits, 1e6) - std::log(8.0)).abs().max().item<double>(), 1e-6);
}

TEST(DecoupledKl, AddsUpToKl) {
  const double t = 2;
  const Tensor student = draws({7, 6}, 16, 2), teacher = draws({7, 6}, 17, 2);
  for (int64_t row = 0; row < 7; ++row) {
    const Tensor s = student.slice(0, row, row + 1), y = teacher.slice(0, row, row + 1), label = torch::tensor({row % 6}, at::kLong);
    const auto [target, non_target] = decoupled_kl(s, y, label, t);
    const double rest = 1 - at::softmax(y / t, 1)[0][row % 6].item<double>();
    EXPECT_NEAR(kl(s, y, Temperature{t}.scaled()).item<double>(), target.item<double>() + rest * non_target.item<double>(), 1e-12);
  }
}

TEST(DecoupledKl, StaysFiniteWhenTheTargetUnderflows) {
  const auto narrow = [](const Tensor& values) { return values.to(at::kFloat); };
  const Tensor student = narrow(rows({{-500, 3, 1}, {500, 3, 1}})).requires_grad_(), teacher = narrow(rows({{400, 2, 0}, {-400, 2, 0}}));
  const auto [target, non_target] = decoupled_kl(student, teacher, torch::tensor({0, 0}, at::kLong), 1);
  EXPECT_TRUE(target.isfinite().item<bool>());
  EXPECT_TRUE(non_target.isfinite().item<bool>());
  EXPECT_TRUE(gradient(target + non_target, student).isfinite().all().item<bool>());
}

TEST(DecoupledKl, WithTwoClassesNothingIsLeftBesideTheTarget) {
  const auto [target, non_target] = decoupled_kl(draws({4, 2}, 18), draws({4, 2}, 19), torch::tensor({0, 1, 1, 0}, at::kLong), 3);
  EXPECT_GT(target.item<double>(), 0);
  EXPECT_EQ(non_target.item<double>(), 0);
}

TEST(DecoupledKl, UnlabelledRowsDoNotCount) {
  const Tensor student = draws({4, 5}, 20), teacher = draws({4, 5}, 21), kept = torch::tensor({1, 3});
  const auto some = decoupled_kl(student, teacher, torch::tensor({-1, 4, -1, 0}, at::kLong), 4);
  const auto two = decoupled_kl(student.index_select(0, kept), teacher.index_select(0, kept), torch::tensor({4, 0}, at::kLong), 4);
  EXPECT_EQ(some.target.item<double>(), two.target.item<double>());
  EXPECT_EQ(some.non_target.item<double>(), two.non_target.item<double>());
}

TEST(TokenKl, OnlyTokensUnderTheMaskCount) {
  const Tensor student = draws({2, 3, 4}, 1), teacher = draws({2, 3, 4}, 2),
               mask = torch::tensor({true, false, true, false, false, true}).view({2, 3});
  const Tensor rows_of_both = kl_rows(student.view({6, 4}), teacher.view({6, 4}), Temperature{2}.scaled());
  EXPECT_NEAR(token_kl(student, teacher, mask, Temperature{2}.scaled()).item<double>(),
              (rows_of_both[0] + rows_of_both[2] + rows_of_both[5]).item<double>() / 3, 1e-12);
  EXPECT_NEAR(token_kl(student.view({6, 4}), teacher.view({6, 4}), at::ones({6}, at::kBool)).item<double>(),
              kl(student.view({6, 4}), teacher.view({6, 4})).item<double>(), 1e-12);
  const Tensor asked = student.clone().requires_grad_();
  EXPECT_EQ(gradient(token_kl(asked, teacher, at::zeros({2, 3}, at::kBool)), asked).abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace retort::losses

#include "retort/methods/baselines/fixmatch.h"

#include "retort/methods/baselines/ce.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using FixmatchTest = MethodTest;

TEST(Fixmatch, OnlySureDecisionsCount) {
  // Sure of class 0 (probability 0.98), unsure (0.5), sure of class 1; strong logits 0 0: log 2 for each that counts, over all rows.
  const Tensor weak = at::tensor({4.0, 0.0, 0.0, 0.0, 0.0, 4.0}, at::kDouble).view({3, 2}),
               strong = at::zeros({3, 2}, at::kDouble).requires_grad_(true);
  const Tensor loss = baselines::consistency_loss(weak, strong, 0.95);
  EXPECT_NEAR(loss.item<double>(), 2 * std::log(2.0) / 3, 1e-12);
  loss.backward();
  EXPECT_EQ(strong.grad()[1].abs().max().item<double>(), 0);
  EXPECT_EQ(baselines::consistency_loss(weak, strong, 0.999).item<double>(), 0);
}

TEST_F(FixmatchTest, LearnsFromUnlabelledRows) {
  const std::vector<std::string> few = {"data.train=300", "data.labels_per_class=4", "data.keep_unlabelled=true", "train.labelled=8",
                                        "train.epochs=3"};
  const auto with = [&](std::vector<std::string> sets) {
    sets.insert(sets.end(), few.begin(), few.end());
    return sets;
  };
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{"knobs.threshold=0.3"},
                                                         {"knobs.threshold=0.3", "knobs.strong=false"},
                                                         {"knobs.threshold=0.3", "knobs.weight=3.0"},
                                                         {"knobs.threshold=0.3", "views.shift=1"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(baselines::fixmatch(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
    EXPECT_GT(term(std::to_string(i), "pseudo"), 0);
  }
  EXPECT_EQ(students.size(), choices.size());
  const auto refusal = caught<ConfigError>([&] {
    run(baselines::fixmatch(), "table",
        {"data.source=world:ring8,rows=400", "student.net=mlp-4", "teacher.net=mlp-4", "data.train=96", "data.test=60"});
  });
  EXPECT_NE(refusal.line.find("need images"), std::string::npos) << refusal.line;
}

}  // namespace
}  // namespace retort

#include "retort/methods/logits/funmatch.h"

#include "retort/data/transforms.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/baselines/hinton.h"
#include "retort/teachers/signal_store.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using logits::matching_loss;
using FunmatchTest = MethodTest;

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }

TEST(Funmatch, NothingIsLeftToLearnFromOnesOwnLogits) {
  const Tensor z = draws({6, 4}, 1);
  EXPECT_NEAR(matching_loss(z, {z, z + 3}, 2).item<double>(), 0, 1e-12);
}

TEST(Funmatch, TwoTeachersPullTwiceAsHardAsTheirMean) {
  const Tensor one = draws({6, 4}, 1), two = draws({6, 4}, 2);
  const Tensor a = draws({6, 4}, 3).requires_grad_(true), b = a.detach().clone().requires_grad_(true);
  matching_loss(a, {one, two}, 1).backward();
  const Tensor mean = ((at::softmax(one, 1) + at::softmax(two, 1)) / 2).log();
  (2 * matching_loss(b, {mean}, 1)).backward();
  EXPECT_LT((a.grad() - b.grad()).abs().max().item<double>(), 1e-12);
}

// What each side of a batch sees, under a policy.
Batch first_batch(const std::string& policy, double mixup) {
  Dataset data;
  data.inputs = at::empty({12, 1, 4, 4}).uniform_(0, 1, Seed(1).generator());
  data.labels = at::arange(12, at::kLong) % 3;
  data.ids = at::arange(12, at::kLong);
  data.spec.shape = {1, 4, 4};
  data.spec.classes = {"a", "b", "c"};
  ViewKnobs views;
  views.policy = policy;
  views.shift = 1, views.mixup = mixup, views.mixup_weights = "dirichlet";
  Loader loader(data, {12}, views, Seed(2));
  Batch batch;
  loader.next(batch);
  return batch;
}

TEST(Funmatch, TheSamePixelsReachBoth) {
  for (const double mixup : {0.0, 1.0}) {
    const Batch batch = first_batch("same", mixup);
    EXPECT_TRUE(batch.teacher_inputs.equal(batch.inputs));
    EXPECT_FALSE(batch.inputs.equal(batch.clean));
    EXPECT_FALSE(batch.repeats);
  }
  EXPECT_FALSE(first_batch("independent", 1).teacher_inputs.equal(first_batch("independent", 1).inputs));
  for (const char* policy : {"fixed", "fixed-ensemble"}) {
    const Batch batch = first_batch(policy, 0);
    EXPECT_TRUE(batch.teacher_inputs.equal(batch.clean)) << policy;
    EXPECT_TRUE(batch.repeats) << policy;
  }
}

TEST(Funmatch, MixturesSumToOneWithTheOwnImageHeaviest) {
  ViewKnobs views;
  views.mixup = 1, views.mixup_images = 3, views.mixup_weights = "dirichlet";
  const Mix mix = draw_mix(at::arange(40, at::kLong), views, Seed(3));
  EXPECT_LT((mix.weights.sum(1) - 1).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(mix.weights.argmax(1).equal(at::zeros({40}, at::kLong)));
  EXPECT_TRUE(mix.partners.select(1, 0).equal(at::arange(40, at::kLong)));
  const Tensor x = at::empty({40, 5}).normal_(0, 1, Seed(4).generator());
  const Mix alone{mix.partners, at::tensor({1.0, 0.0, 0.0}, at::kFloat).expand({40, 3}).contiguous()};
  EXPECT_TRUE(mix_inputs(x, alone).equal(x));
}

TEST_F(FunmatchTest, IsHintonsDivergenceOnSharedViews) {
  const std::vector<std::string> views = {"views.shift=1", "views.mixup=1.0", "views.mixup_weights=dirichlet"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), views.begin(), views.end());
    return more;
  };
  run(logits::funmatch(), "match", with({"knobs.temperature=2.0"}));
  run(baselines::hinton(), "kd", with({"knobs.temperature=2.0", "knobs.w_ce=0.0", "knobs.w_kd=1.0"}));
  EXPECT_NEAR(term("match", "match"), term("kd", "kd"), 1e-4 * term("kd", "kd"));
}

TEST_F(FunmatchTest, EveryPolicyTrainsItsOwnStudent) {
  std::set<std::string> students;
  for (const std::string policy : {"same", "independent", "fixed", "fixed-ensemble"}) {
    run(logits::funmatch(), policy, {"views.shift=1", "views.policy=" + policy, "views.crops=2"});
    students.insert(student(policy));
  }
  EXPECT_EQ(students.size(), 4u);
}

TEST_F(FunmatchTest, SeveralTeachersAreSummed) {
  // By convexity the sum is at least twice the divergence from the mean, which is what another method sees.
  run(logits::funmatch(), "sum", {"train.epochs=1", "teacher.members=2"});
  run(baselines::hinton(), "mean", {"train.epochs=1", "teacher.members=2", "knobs.temperature=1.0", "knobs.w_ce=0.0", "knobs.w_kd=1.0"});
  EXPECT_GT(term("sum", "match"), 1.9 * term("mean", "kd"));
}

TEST_F(FunmatchTest, RefusesLabelsThatNobodyAllowed) {
  const auto refusal = caught<ConfigError>([&] { run(logits::funmatch(), "labels", {"knobs.w_ce=0.5"}); });
  EXPECT_NE(refusal.line.find("knobs.w_ce: function matching uses no labels, found 0.5"), std::string::npos) << refusal.line;
  EXPECT_FALSE(file_exists(scratch.file("labels")));
  run(logits::funmatch(), "allowed", {"knobs.w_ce=0.5", "knobs.allow_labels=true", "train.epochs=1"});
  EXPECT_GT(term("allowed", "ce"), 0);
}

TEST_F(FunmatchTest, RefusesMixturesOfMoreThanABatch) {
  const auto refusal = caught<ConfigError>([&] {
    run(logits::funmatch(), "many", {"views.mixup=1.0", "views.mixup_images=40", "views.mixup_weights=dirichlet"});
  });
  EXPECT_EQ(refusal.line, "views.mixup_images: a batch of 32 images cannot mix 40");
}

TEST_F(FunmatchTest, RefusesKeptAnswersForViewsThatChange) {
  DataKnobs knobs;
  knobs.train = 96, knobs.test = 60;
  const Splits splits = load_splits(knobs, Seed(0).stream("data"));
  const CaptureOptions options;
  const auto teacher = net_teacher(make_net("cnn-4-8", {1, 8, 8}, 10, Seed(1)));
  capture_signals(*teacher, splits.train, options, scratch.file("answers"));
  std::vector<std::string> sets = {"teacher.kind=store", "teacher.files=[\"" + scratch.file("answers") + "\"]"};
  EXPECT_GT(run(logits::funmatch(), "clean", sets).metrics.at("accuracy"), 0);
  sets.push_back("views.shift=1");
  const auto refusal = caught<AccessError>([&] { run(logits::funmatch(), "kept", sets); });
  EXPECT_NE(refusal.line.find("random views were asked for"), std::string::npos) << refusal.line;
}

}  // namespace
}  // namespace retort

#include "retort/methods/search/boss.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/search/trials.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using search::Draw;
using search::Lineage;
using search::Trial;

search::History scored(std::vector<double> scores) {
  search::History trials;
  for (const double score : scores) trials.push_back({{}, std::isnan(score) ? Trial::Status::failed : Trial::Status::finished, score});
  return trials;
}

TEST(Boss, TheLossByHand) {
  const Tensor student = at::tensor({1.0, 0.0, 0.0, 2.0}, at::kDouble).view({2, 2}).requires_grad_(true),
               teacher = at::tensor({1.0, 2.0, 0.0, 0.0}, at::kDouble).view({2, 2});
  const Tensor ce = losses::cross_entropy(student, at::tensor({0, 1}, at::kLong));
  // Squares 0, 4, 0, 4: a mean of 2 over batch and classes.
  EXPECT_NEAR(search::boss_loss(student, teacher, ce, 0.3).total().item<double>(), 0.3 * ce.item<double>() + 0.7 * 2, 1e-12);
  EXPECT_EQ(search::boss_loss(student, {}, ce, 1).total().item<double>(), ce.item<double>());
  EXPECT_EQ(search::boss_loss(student, {}, ce, 1).terms().size(), 1u);
}

TEST(Boss, ThePoolHoldsTheBestOfTheFinished) {
  auto trials = scored({0.5, 0.9, std::nan(""), 0.9, 0.7});
  trials.push_back({{}, Trial::Status::running, 1.0});
  EXPECT_EQ(search::trial_pool(trials, 3), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(search::trial_pool(trials, 9), (std::vector<int64_t>{1, 3, 4, 0}));
}

TEST(Boss, TheTwoDrawsDifferAndAreEven) {
  const std::vector<int64_t> pool = {3, 5, 8};
  std::vector<Lineage> lineages(9);
  for (size_t i = 0; i < lineages.size(); ++i) lineages[i].root = static_cast<int64_t>(i);
  lineages[5].depth = 4;
  std::map<std::pair<int64_t, int64_t>, int> counts;
  for (uint64_t i = 0; i < 1200; ++i) {
    const Lineage drawn = search::draw_members(pool, pool, lineages, Draw::two, false, Seed(1).stream("draw", i));
    EXPECT_NE(drawn.start, drawn.teacher);
    EXPECT_EQ(drawn.root, drawn.start);
    EXPECT_EQ(drawn.depth, drawn.start == 5 ? 5 : 2);
    ++counts[{drawn.start, drawn.teacher}];
  }
  ASSERT_EQ(counts.size(), 6u);
  for (const auto& [pair, count] : counts) EXPECT_NEAR(count, 200, 50);
  const Lineage same = search::draw_members(pool, pool, lineages, Draw::same, false, Seed(1));
  EXPECT_EQ(same.start, same.teacher);
  const Lineage alone = search::draw_members(pool, pool, lineages, Draw::teacher_only, false, Seed(1));
  EXPECT_EQ(alone.start, -1);
  EXPECT_GE(alone.teacher, 0);
}

TEST(Boss, DistinctAncestorsAreFoundWhereThereAreAny) {
  std::vector<Lineage> lineages(6);
  for (auto& lineage : lineages) lineage.root = 0;
  lineages[4].root = 4;  // the only outsider, beyond the pool
  for (uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(search::draw_members({1, 2, 3}, {1, 2, 3, 5, 4, 0}, lineages, Draw::two, true, Seed(i)).teacher, 4);
    const Lineage none = search::draw_members({1, 2, 3}, {1, 2, 3, 5, 0}, lineages, Draw::two, true, Seed(i));
    EXPECT_NE(none.start, none.teacher);
  }
}

class BossTest : public MethodTest {
 protected:
  Outcome campaign(const std::string& folder, std::vector<std::string> sets = {}, bool resume = false) {
    std::string recipe = kSmallRecipe;
    recipe.erase(recipe.find("[teacher]"), recipe.find("[student]") - recipe.find("[teacher]"));
    const std::vector<std::string> base = {"student.net=mlp-6",   "data.validation=40",  "train.epochs=1",
                                           "train.optimiser=sgd", "knobs.trials=6",      "knobs.warmup=3",
                                           "knobs.k=2",           "knobs.batch=[16,48]", "knobs.startup=2"};
    sets.insert(sets.begin(), base.begin(), base.end());
    sets.push_back("run.dir=" + scratch.file(folder));
    retort::Run run(Recipe::parse(recipe, "small.toml", sets), resume);
    run.quiet = true;
    search::boss().run(run);
    run.finish();
    return run.outcome;
  }
  nlohmann::json trials(const std::string& folder) const { return nlohmann::json::parse(read_file(scratch.file(folder) + "/trials.json")); }
};

TEST_F(BossTest, TrialsStartFromAndAreTaughtByEarlierOnes) {
  const Outcome outcome = campaign("whole");
  const auto rows = trials("whole");
  ASSERT_EQ(rows.size(), 6u);
  double best = 0;
  for (size_t i = 0; i < 6; ++i) {
    best = std::max(best, rows[i].at("score").get<double>());
    EXPECT_EQ(rows[i].contains("alpha"), i >= 3);
    EXPECT_EQ(rows[i].contains("start"), i >= 3);
    if (i < 3) continue;
    EXPECT_NE(rows[i].at("start"), rows[i].at("teacher"));
    EXPECT_GE(rows[i].at("depth").get<int>(), 2);
    EXPECT_LE(rows[i].at("start").get<size_t>(), i);
  }
  EXPECT_DOUBLE_EQ(outcome.metrics.at("best_validation"), best);
  EXPECT_EQ(outcome.metrics.at("trained_epochs"), 6);
  EXPECT_NEAR(outcome.metrics.at("optimism"), best - outcome.metrics.at("accuracy"), 1e-9);
}

// At alpha = 1 nobody is asked: a trial is its start, trained further on the labels.
TEST_F(BossTest, AtAlphaOneItIsFineTuning) {
  campaign("tuned", {"knobs.alpha=1.0"});
  campaign("taught", {"knobs.alpha=0.2"});
  EXPECT_TRUE(std::isnan(term("tuned", "sd")));
  EXPECT_GT(term("taught", "sd"), 0);
  // The first taught trials have the same start and settings, and part only by what they are told.
  const auto tuned = trials("tuned")[3], taught = trials("taught")[3];
  EXPECT_EQ(tuned.at("start"), taught.at("start"));
  EXPECT_EQ(tuned.at("lr"), taught.at("lr"));
  const auto weights = [&](const std::string& folder) {
    return load_state(scratch.file(folder) + "/checkpoints/trial-004.done.safetensors").take("student").tensor("fc.weight");
  };
  EXPECT_FALSE(weights("tuned").equal(weights("taught")));
}

TEST_F(BossTest, TheSameSeedIsTheSameCampaign) {
  campaign("one");
  campaign("other");
  campaign("seed", {"seed=1"});
  EXPECT_EQ(trials("one"), trials("other"));
  EXPECT_EQ(student("one"), student("other"));
  EXPECT_NE(trials("one"), trials("seed"));
}

TEST_F(BossTest, ResumesToTheBit) {
  campaign("unbroken");
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      campaign("broken", {}, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
  EXPECT_EQ(trials("unbroken"), trials("broken"));
}

// Children train only where this process has not: the first two campaigns run in a program of their own.
TEST_F(BossTest, TrialsSideBySide) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  setenv("RETORT_TEST_SCRATCH", scratch.path().c_str(),
         /*overwrite=*/0);  // that program has a scratch folder of its own, and writes into this one's
  const std::string place = "../" + std::filesystem::path(getenv("RETORT_TEST_SCRATCH")).filename().string();
  EXPECT_EXIT(
      {
        campaign(place + "/two", {"knobs.slots=2"});
        campaign(place + "/again", {"knobs.slots=2", "student.alone=false"});  // as a resolved recipe has it
        std::filesystem::remove_all(scratch.path());
        std::exit(HasFailure());
      },
      testing::ExitedWithCode(0), "");
  const auto rows = trials("two");
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows, trials("again"));
  EXPECT_EQ(student("two"), student("again"));
  // The warm-up is drawn at random: it does not know what runs beside it.
  campaign("one");
  EXPECT_EQ(rows[0], trials("one")[0]);
  EXPECT_EQ(rows[1], trials("one")[1]);
  EXPECT_LE(rows[4].at("start").get<size_t>(), 4u);  // trials 4 and 5 are drawn before either ends
}

TEST_F(BossTest, TrialsSideBySideTakeNoStudentsTrainedBefore) {
  for (const std::string key : {"student.alone", "student.trained"})
    EXPECT_NE(caught<ConfigError>([&] {
                campaign("none", {"knobs.slots=2", key + "=true"});
              }).line.find(key + ": trials side by side"),
              std::string::npos);
}

TEST_F(BossTest, AFailedTrialIsNotAMember) {
  const Outcome outcome = campaign("failed", {"knobs.lr=[0.01,1e30]", "knobs.trials=8", "knobs.warmup=5", "seed=3"});
  const auto rows = trials("failed");
  size_t failed = 0;
  for (const auto& row : rows) failed += row.at("score").is_string();
  EXPECT_GT(failed, 0u);
  EXPECT_EQ(outcome.metrics.at("failed_trials"), static_cast<double>(failed));
  for (size_t i = 5; i < 8; ++i)
    for (const char* key : {"start", "teacher"}) EXPECT_FALSE(rows[rows[i].at(key).get<size_t>() - 1].at("score").is_string());
}

TEST_F(BossTest, EveryChoiceIsAnotherCampaign) {
  std::set<std::string> campaigns;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.pretrained=false"},
                                                         {"knobs.engine=gp", "knobs.startup=1"},
                                                         {"knobs.pool=random", "knobs.alpha=0.0"},
                                                         {"knobs.pool=last", "knobs.members=same"},
                                                         {"knobs.extra=class_balance"},
                                                         {"knobs.score=balanced_accuracy", "knobs.ancestors=distinct", "knobs.alpha=0.5"},
                                                         {"knobs.pretrained=false", "knobs.nets=[\"mlp-6\",\"mlp-8\"]"},
                                                         {"train.optimiser=adam", "knobs.lr=[0.001,0.02]"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    campaign(std::to_string(i), choices[i]);
    campaigns.insert(trials(std::to_string(i)).dump());
  }
  EXPECT_EQ(campaigns.size(), choices.size());
  campaign("unlabelled", {"data.labels_per_class=4", "data.keep_unlabelled=true", "knobs.extra=pseudo_labels", "knobs.threshold=0.2"});
  EXPECT_GT(term("unlabelled", "pseudo_labels"), 0);
  campaign("generations", {"knobs.warmup=1", "knobs.k=1", "knobs.pool=last", "knobs.pretrained=false", "knobs.alpha=0.5", "knobs.lr=[]",
                           "knobs.weight_decay=[]", "knobs.one_minus_momentum=[]", "knobs.batch=[]"});
  const auto rows = trials("generations");
  for (size_t i = 1; i < 6; ++i) EXPECT_EQ(rows[i].at("teacher").get<size_t>(), i);
}

TEST_F(BossTest, RefusesWhatCannotBe) {
  int folder = 0;
  const auto line = [&](std::vector<std::string> sets) {
    return caught<ConfigError>([&] { campaign(fmt::format("refused{}", ++folder), std::move(sets)); }).line;
  };
  EXPECT_NE(line({"knobs.k=1"}).find("start and teacher are two members of a pool of 1"), std::string::npos);
  EXPECT_NE(line({"knobs.k=4"}).find("3 warm-up trials do not fill a pool of 4"), std::string::npos);
  EXPECT_NE(line({"knobs.nets=[\"mlp-6\",\"mlp-8\"]"}).find("weights do not move from one architecture to another"), std::string::npos);
  EXPECT_NE(line({"knobs.lr=[1.0,0.1]"}).find("lr: the bounds [1, 0.1] are not in order"), std::string::npos);
  EXPECT_NE(line({"knobs.weight_decay=[0.0,0.1]"}).find("weight_decay: no logarithm of the bound 0"), std::string::npos);
  EXPECT_NE(line({"knobs.lr=[0.1]"}).find("expected [low, high], received 1 numbers"), std::string::npos);
  EXPECT_NE(line({"data.validation=0"}).find("trials are ranked on a validation part"), std::string::npos);
  EXPECT_NE(line({"knobs.alpha=-0.5"}).find("expected a share in [0, 1], or -1"), std::string::npos);
  EXPECT_NE(line({"teacher.net=mlp-8"}).find("taught by each other"), std::string::npos);
}

}  // namespace
}  // namespace retort

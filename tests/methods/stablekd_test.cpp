#include "retort/methods/features/stablekd.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/baselines/hinton.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using features::BlockObjective;
using features::BlockPlan;
using features::Segments;

TEST(StableKd, SegmentsComeTogether) {
  using Stages = std::vector<Segments>;
  EXPECT_EQ(features::merge_schedule(4, "halves"), (Stages{{1, 2, 3, 4}, {2, 4}, {4}}));
  EXPECT_EQ(features::merge_schedule(5, "halves"), (Stages{{1, 2, 3, 4, 5}, {2, 4, 5}, {4, 5}, {5}}));
  EXPECT_EQ(features::merge_schedule(3, "front"), (Stages{{1, 2, 3}, {2, 3}, {3}}));
  EXPECT_EQ(features::merge_schedule(3, "back"), (Stages{{1, 2, 3}, {1, 3}, {3}}));
  EXPECT_EQ(features::merge_schedule(3, "never"), (Stages{{1, 2, 3}}));
  EXPECT_EQ(features::merge_schedule(3, "whole"), (Stages{{3}}));
  EXPECT_EQ(features::merge_schedule(1, "halves"), (Stages{{1}}));
}

TEST(StableKd, StagesShareTheEpochs) {
  EXPECT_EQ(features::stage_epochs(20, 3, 0.3, 0.5), (std::vector<int64_t>{6, 4, 10}));
  EXPECT_EQ(features::stage_epochs(20, 2, 0.3, 0.5), (std::vector<int64_t>{6, 14}));
  EXPECT_EQ(features::stage_epochs(20, 5, 0.3, 0.4), (std::vector<int64_t>{6, 2, 2, 2, 8}));
  EXPECT_EQ(features::stage_epochs(3, 3, 0.3, 0.5), (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(features::stage_epochs(7, 1, 0.3, 0.5), (std::vector<int64_t>{7}));
  EXPECT_NE(caught<ConfigError>([] { features::stage_epochs(2, 3, 0.3, 0.5); }).line.find("2 epochs for 3 stages"), std::string::npos);
}

TEST(StableKd, CutsAreStagesOfEqualShare) {
  const auto teacher = net_teacher(make_net("mlp-9-9-9-9-9-9-9-9", {4}, 3, Seed(1)));
  const Net student = make_net("mlp-5-5-5-5-5-5-5-5", {4}, 3, Seed(2));
  const auto cuts = features::cut_points(student, *teacher, 4, {}, {});
  ASSERT_EQ(cuts.size(), 3u);
  EXPECT_EQ(cuts[0].student, "hidden2");
  EXPECT_EQ(cuts[1].teacher, "hidden4");
  EXPECT_EQ(cuts[2].student, "hidden6");
  const auto resnet = net_teacher(make_net("resnet14x0.5", {1, 8, 8}, 3, Seed(1)));
  const Net small = make_net("resnet8x0.5", {1, 8, 8}, 3, Seed(2));
  const auto stages = features::cut_points(small, *resnet, 4, {}, {});
  EXPECT_EQ(stages[0].student, "stage1");
  EXPECT_EQ(stages[2].teacher, "stage3");
  EXPECT_NE(caught<ConfigError>([&] {
              features::cut_points(small, *resnet, 6, {}, {});
            }).line.find("6 blocks need 5 cuts, and the student has 3 places"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] {
              features::cut_points(small, *resnet, 2, {"stage1"}, {"stage3"});
            }).line.find("cut 1 (stage1 of the student, stage3 of the teacher): no linear map"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([&] { features::cut_points(small, *resnet, 3, {"stage1"}, {}); }).line.find("1 layers for the 2 cuts"),
            std::string::npos);
}

class StableKdTest : public MethodTest {
 protected:
  static std::vector<std::string> deep(std::vector<std::string> sets = {}) {
    const std::vector<std::string> base = {"teacher.net=mlp-12-12-12-12", "student.net=mlp-6-6-6-6", "data.validation=40",
                                           "train.epochs=5"};
    sets.insert(sets.begin(), base.begin(), base.end());
    return sets;
  }
};

TEST_F(StableKdTest, OneBlockIsPlainDistillationToTheBit) {
  for (const std::string net : {"cnn-3-6", "mlp-6-6-6-6"}) {
    const std::vector<std::string> sets = {"student.net=" + net, "teacher.net=mlp-12-12-12-12"};
    run(baselines::hinton(), "kd-" + net, sets);
    run(features::stablekd(), "one-" + net, {sets[0], sets[1], "knobs.blocks=1", "data.validation=0"});
    EXPECT_TRUE(student("kd-" + net) == student("one-" + net)) << net;
  }
  run(baselines::hinton(), "kd", deep());
  run(features::stablekd(), "whole", deep({"knobs.merge=whole"}));
  EXPECT_EQ(student("kd"), student("whole"));
  run(features::stablekd(), "four", deep());
  EXPECT_NE(student("kd"), student("four"));
}

// The objective inside a training that lasts one step, so that adapters exist.
class Probe : public BlockObjective {
 public:
  using BlockObjective::BlockObjective;
  std::function<void(const Step&)> look;
  Loss loss(const Step& step) override {
    if (look) look(step);
    look = {};
    return BlockObjective::loss(step);
  }
};

// Runs one step with `look` on it.
void probe(Scratch& scratch, const std::vector<std::string>& more, const std::function<void(Probe&, const Step&)>& look,
           bool same_weights = false) {
  std::vector<std::string> sets = more;
  sets.push_back("run.dir=" + scratch.file("probe"));
  sets.push_back("run.max_steps=1");
  retort::Run run(Recipe::parse(kSmallRecipe, "small.toml", sets));
  run.quiet = true;
  ClassifierRun c = prepare_classifier(run, Access::features);
  Net plain = c.make_student(Seed(3));
  if (same_weights) plain.load(c.teacher->net()->named_tensors(), "the teacher");
  BlockPlan plan;
  plan.boundaries = features::cut_points(plain, *c.teacher, 4, {}, {});
  plan.stages = features::merge_schedule(4, "never");
  Net student = features::student_for(plan, plain, *c.teacher);
  Probe objective(plan, c);
  objective.look = [&](const Step& step) { look(objective, step); };
  TrainJob job = c.job("student", student, objective);
  train(run, job);
}

TEST_F(StableKdTest, NoGradientCrossesABoundary) {
  probe(scratch, deep(), [](Probe& objective, const Step& step) {
    const Net& student = step.trainer.student();
    const Segments apart = {1, 2, 3, 4};
    const Loss loss = objective.losses_of(student, apart, step.batch, step.teacher, {});
    const auto gradients = [&](const std::string& term) {
      std::map<std::string, bool> moves;
      for (const auto& one : loss.terms()) {
        if (one.name != term) continue;
        const auto found = torch::autograd::grad({one.value}, student.params(), {}, true, false, true);
        for (size_t i = 0; i < found.size(); ++i)
          moves[student.param_names()[i]] = found[i].defined() && found[i].abs().max().item<double>() > 0;
      }
      return moves;
    };
    auto kd = gradients("kd"), pull = gradients("features");
    // The last block alone learns from the logits, the first three from the features; the maps between are not part of anything yet.
    for (const char* name : {"fc1.weight", "fc2.weight", "fc3.weight"}) {
      EXPECT_FALSE(kd.at(name)) << name;
      EXPECT_TRUE(pull.at(name)) << name;
    }
    for (const char* name : {"fc4.weight", "fc.weight"}) {
      EXPECT_TRUE(kd.at(name)) << name;
      EXPECT_FALSE(pull.at(name)) << name;
    }
    EXPECT_FALSE(kd.at("map.hidden1.map.weight"));
    // Joined, the logits reach the first layer through the maps.
    const Loss whole = objective.losses_of(student, {4}, step.batch, step.teacher, {});
    const auto reach = torch::autograd::grad({whole.total()}, student.params(), {}, false, false, true);
    for (size_t i = 0; i < reach.size(); ++i) EXPECT_TRUE(reach[i].defined()) << student.param_names()[i];
  });
}

TEST_F(StableKdTest, TheTeacherItselfHasNothingToLearn) {
  probe(
      scratch, deep({"student.net=mlp-12-12-12-12"}),
      [](Probe& objective, const Step& step) {
        const Loss loss = objective.losses_of(step.trainer.student(), {1, 2, 3, 4}, step.batch, step.teacher, {});
        for (const auto& term : loss.terms())
          if (term.name == "features" || term.name == "kd") EXPECT_LT(std::abs(term.value.item<double>()), 1e-6) << term.name;
        EXPECT_FALSE(step.trainer.student().spec().contains("maps"));  // nothing to adapt
      },
      /*same_weights=*/true);
}

// Before the merge the teacher-wide detour out and in again; after it one map in the student: the same numbers.
TEST_F(StableKdTest, FoldingLeavesTheOutputsAlone) {
  probe(scratch, deep(), [](Probe& objective, const Step& step) {
    Net& student = step.trainer.student();
    objective.sync_maps(student);
    const at::NoGradGuard no_grad;
    const Tensor map = student.forward_blocks(0, 2, step.batch.inputs);  // hidden1 and the map behind it
    const Tensor features = student.forward_blocks(0, 1, step.batch.inputs);
    EXPECT_EQ(map.sizes(), features.sizes());
    const auto pair = objective.adapters(0);
    EXPECT_LT((map - pair.second->forward(pair.first->forward(features))).abs().max().item<double>(), 1e-5);
  });
}

TEST_F(StableKdTest, TheStudentEndsWithItsOwnArchitecture) {
  const Outcome outcome = run(features::stablekd(), "mlp", deep());
  const Model kept = load_model(scratch.file("mlp") + "/student");
  EXPECT_EQ(kept.net.spec().at("arch"), "mlp-6-6-6-6");
  EXPECT_FALSE(kept.net.spec().contains("maps"));
  EXPECT_GT(outcome.metrics.at("gradient_noise"), 0);
  EXPECT_GT(outcome.metrics.at("gradient_noise_at_start"), 0);
  EXPECT_GE(outcome.metrics.at("validation_by_75"), 0);
  // A convolutional student keeps its maps, and is found again with them.
  run(features::stablekd(), "cnn",
      {"teacher.net=cnn-6-8-10", "student.net=cnn-3-4-5", "data.validation=40", "knobs.blocks=3", "train.epochs=3"});
  EXPECT_TRUE(load_model(scratch.file("cnn") + "/student").net.spec().contains("maps"));
}

TEST_F(StableKdTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.merge=front"},
                                                         {"knobs.merge=back"},
                                                         {"knobs.merge=never"},
                                                         {"knobs.merge=whole", "knobs.inner=1.0"},
                                                         {"knobs.fold=false"},
                                                         {"knobs.fold=false", "knobs.adapter=mlp"},
                                                         {"knobs.inner=0.1"},
                                                         {"knobs.feature_weight=0.3"},
                                                         {"knobs.blocks=2"},
                                                         {"knobs.student_layers=[\"hidden1\",\"hidden2\",\"hidden4\"]"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(features::stablekd(), std::to_string(i), deep(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(StableKdTest, MeasuringChangesNothing) {
  run(features::stablekd(), "measured",
      {"student.net=cnn-3-4-5", "teacher.net=cnn-6-8-10", "knobs.blocks=3", "train.epochs=4", "data.validation=40"});
  run(features::stablekd(), "not",
      {"student.net=cnn-3-4-5", "teacher.net=cnn-6-8-10", "knobs.blocks=3", "train.epochs=4", "data.validation=40", "knobs.noise=false"});
  EXPECT_EQ(student("measured"), student("not"));
}

TEST_F(StableKdTest, ResumesToTheBit) {
  const std::vector<std::string> sets = deep({"run.checkpoint_seconds=0.0"});
  const Outcome unbroken = run(features::stablekd(), "unbroken", sets);
  install_interrupt_handler();
  Outcome broken;
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      broken = run(features::stablekd(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
  EXPECT_EQ(unbroken.metrics.at("gradient_noise"), broken.metrics.at("gradient_noise"));
  EXPECT_EQ(unbroken.metrics.at("validation_by_75"), broken.metrics.at("validation_by_75"));
}

TEST_F(StableKdTest, RefusesWhatDoesNotFit) {
  int folder = 0;
  const auto line = [&](std::vector<std::string> sets) {
    return caught<ConfigError>([&] { run(features::stablekd(), fmt::format("refused{}", ++folder), deep(std::move(sets))); }).line;
  };
  EXPECT_NE(line({"knobs.adapter=mlp"}).find("only linear adapters can be folded"), std::string::npos);
  EXPECT_NE(line({"knobs.blocks=6"}).find("6 blocks need 5 cuts, and the student has 4 places"), std::string::npos);
  EXPECT_NE(line({"knobs.apart=0.6", "knobs.merged=0.5"}).find("more than the whole"), std::string::npos);
  EXPECT_NE(line({"train.epochs=2"}).find("2 epochs for 3 stages"), std::string::npos);
  EXPECT_NE(line({"student.net=cnn-3-6", "knobs.blocks=2"}).find("cut 1 (stage1 of the student, hidden2 of the teacher)"),
            std::string::npos);
}

}  // namespace
}  // namespace retort

#include "retort/methods/features/unic.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/methods/features/unic_teachers.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using UnicTest = MethodTest;

const std::vector<std::string> kTwo = {"data.turn=true",        "data.validation=30",        "teachers.a.net=mlp-12",
                                       "teachers.b.net=mlp-10", "teachers.b.label=rotation", "knobs.hidden=8",
                                       "knobs.hidden_last=8"};

std::vector<std::string> with(const Scratch& scratch, const std::vector<std::string>& sets) {
  std::vector<std::string> all = kTwo;
  all.push_back("run.cache=" + scratch.file("cache"));
  all.insert(all.end(), sets.begin(), sets.end());
  return all;
}

TEST(Unic, DistanceByHand) {
  // cos = 0: 0.5 * 1; smooth-L1 of (1, 1): 0.5 each.
  const Tensor p = at::tensor({1.0f, 0.0f}).view({1, 2}), t = at::tensor({0.0f, 1.0f}).view({1, 2});
  EXPECT_NEAR(features::distance_rows(p, t)[0].item<double>(), 0.5 + 0.5 * 0.5, 1e-6);
  EXPECT_NEAR(features::distance_rows(p, t, {0, 1, 0.5})[0].item<double>(), 0.75, 1e-6);
  const Tensor tokens = at::stack({p, t}, 1), same = at::stack({p, p}, 1);  // one token is met, the other not
  EXPECT_NEAR(features::distance_rows(tokens, same)[0].item<double>(), 0.375, 1e-6);
  EXPECT_EQ(caught<ConfigError>([&] { features::distance_rows(p, tokens); }).line,
            "distance_rows: prediction [1, 2] against target [1, 2, 2]");
}

TEST(Unic, DropsAllTeachersNoneOrSome) {
  const Tensor losses = at::empty({400, 3}, at::kFloat).uniform_(0, 1, Seed(1).generator()), ids = at::arange(400);
  EXPECT_NEAR(features::kept_mean(losses, features::kept_teachers(losses, ids, 0, Seed(2))).item<double>(), losses.mean().item<double>(),
              1e-6);
  EXPECT_NEAR(features::kept_mean(losses, features::kept_teachers(losses, ids, 1, Seed(2))).item<double>(),
              std::get<0>(losses.max(1)).mean().item<double>(), 1e-6);
  const Tensor kept = features::kept_teachers(losses, ids, 0.5, Seed(2));
  EXPECT_EQ(kept.gather(1, losses.argmax(1, true)).min().item<float>(), 1);  // the hardest stays
  EXPECT_NEAR(kept.sum().item<double>() / 400, 2, 0.15);                     // and half of the other two
  // By sample id and seed alone.
  const Tensor turned = ids.flip(0);
  EXPECT_TRUE(features::kept_teachers(losses.flip(0), turned, 0.5, Seed(2)).equal(kept.flip(0)));
  EXPECT_FALSE(features::kept_teachers(losses, ids, 0.5, Seed(3)).equal(kept));
}

TEST(Unic, KeptPairsOrImagesWeighTheSame) {
  const Tensor losses = at::tensor({1.0f, 3.0f, 5.0f, 9.0f}).view({2, 2}), kept = at::tensor({1.0f, 1.0f, 0.0f, 1.0f}).view({2, 2});
  EXPECT_NEAR(features::kept_mean(losses, kept).item<double>(), (1 + 3 + 9) / 3.0, 1e-6);
  EXPECT_NEAR(features::kept_mean(losses, kept, /*per_image=*/true).item<double>(), (2 + 9) / 2.0, 1e-6);
}

TEST(Unic, StatisticsSettleByACosine) {
  EXPECT_DOUBLE_EQ(features::statistics_momentum(0, 100), 1);
  EXPECT_NEAR(features::statistics_momentum(50, 100), 0.5005, 1e-9);
  EXPECT_DOUBLE_EQ(features::statistics_momentum(100, 100), 0.001);
}

TEST(Unic, PatchesAreResizedOnSquareGrids) {
  const Tensor patches = at::arange(16, at::kFloat).view({1, 16, 1});
  EXPECT_TRUE(features::resized_patches(patches, 4).flatten().allclose(at::tensor({2.5f, 4.5f, 10.5f, 12.5f})));
  EXPECT_EQ(caught<ConfigError>([&] { features::resized_patches(patches, 5); }).line, "resized_patches: 16 tokens to 5: not square grids");
}

TEST_F(UnicTest, JudgesEveryEncoderOnEveryTask) {
  const Outcome outcome = run(features::unic(), "unic",
                              with(scratch, {"student.net=mlp-12", "knobs.tasks=[\"label\",\"rotation\"]", "train.epochs=3"}));
  for (const std::string who : {"", "a_", "b_", "concatenation_"})
    for (const std::string what : {"linear_label", "knn_rotation", "linear_mean"})
      EXPECT_GT(outcome.metrics.at(who + what), 5) << who << what;
  EXPECT_NEAR(outcome.metrics.at("accuracy"), outcome.metrics.at("linear_label"), 1e-6);  // what is kept decides by its readout
  EXPECT_GT(term("unic", "a"), 0);
  EXPECT_GT(term("unic", "b"), 0);
}

TEST_F(UnicTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.drop=0.0"},
                                                         {"knobs.drop=1.0"},
                                                         {"knobs.cosine=0.0"},
                                                         {"knobs.smooth_l1=0.0"},
                                                         {"knobs.ladder=last"},
                                                         {"knobs.standardise=none"},
                                                         {"knobs.standardise=batch"},
                                                         {"knobs.weigh=per_image"},
                                                         {"knobs.use=[\"b\"]"},
                                                         {"teachers.a.scale=30.0", "knobs.standardise=none"},
                                                         {"teachers.a.only=[0,1,2]"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    auto sets = with(scratch, choices[i]);
    sets.insert(sets.end(), {"student.net=mlp-12-8", "knobs.tasks=[]"});
    run(features::unic(), std::to_string(i), sets);
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(UnicTest, LearnsPatchesWhereAllHaveAsMany) {
  const std::vector<std::string> vits = {
      "teachers.a.net=vit-1x16p2", "teachers.b.net=cnn-4", "teachers.a.kind=random", "teachers.b.kind=random",
      "student.net=vit-2x16p2",    "knobs.tasks=[]",       "train.epochs=1"};
  auto sets = [&](std::vector<std::string> more) {
    more.insert(more.end(), vits.begin(), vits.end());
    return with(scratch, more);
  };
  run(features::unic(), "auto", sets({}));  // 16 tokens and 4 x 4 pixels
  run(features::unic(), "off", sets({"knobs.patches=off"}));
  EXPECT_NE(student("auto"), student("off"));
  const auto refusal = caught<ConfigError>([&] {
    run(features::unic(), "refused",
        sets({"knobs.patches=on", "student.net=vit-2x16p2", "teachers.c.net=cnn-4-6", "teachers.c.kind=random"}));
  });
  EXPECT_NE(refusal.line.find("teacher \"c\" has 4 patches and the student's block1 has 16"), std::string::npos) << refusal.line;
  run(features::unic(), "resized",
      sets({"knobs.patches=on", "knobs.patch_resize=bilinear", "teachers.c.net=cnn-4-6", "teachers.c.kind=random"}));
}

TEST_F(UnicTest, ATeacherFromAFileReadsPixelsInItsOwnWay) {
  // The same weights, once beside unit pixels and once beside standardised ones: where the data are of the other kind, they are read over.
  run(features::unic(), "made", with(scratch, {"student.net=mlp-12", "data.normalise=unit"}));
  const Net net = load_model(scratch.file("made")).net;
  Splits unit = load_splits(
             [] {
               DataKnobs knobs;
               knobs.normalise = "unit";
               return knobs;
             }(),
             Seed(1)),
         standard = load_splits({}, Seed(1));
  const features::UnicTeacher teacher{"a", "embedding", "", 1, net, net_teacher(net), unit.train.spec};
  const Tensor ours = prepared_inputs(standard.train), theirs = prepared_inputs(unit.train);
  EXPECT_LT((teacher.read(ours, standard.train.spec) - theirs).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(prepared_inputs(teacher.read(standard.train)).equal(theirs));
  EXPECT_TRUE(teacher.read(theirs, unit.train.spec).is_same(theirs));
  auto sets = with(scratch,
                   {"teachers.a.kind=file", "teachers.a.file=" + scratch.file("made") + "/student.safetensors", "student.net=mlp-12"});
  run(features::unic(), "file", sets);
  sets.emplace_back("data.resize=4");
  const auto refusal = caught<ConfigError>([&] { run(features::unic(), "small", sets); });
  EXPECT_NE(refusal.line.find("teachers.a: it reads inputs [1,8,8] and the data have rows [1,4,4]"), std::string::npos) << refusal.line;
}

TEST_F(UnicTest, ResumesToTheBit) {
  const auto sets = with(scratch, {"student.net=mlp-12", "run.checkpoint_seconds=0.0", "views.shift=1", "run.cache="});
  run(features::unic(), "unbroken", sets);
  install_interrupt_handler();
  for (bool resume = false, done = false; !done; resume = true) {
    std::raise(SIGINT);
    try {
      run(features::unic(), "broken", sets, resume);
      done = true;
    } catch (const Interrupted&) {
    }
    clear_interrupt();
  }
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(UnicTest, RefusesWhatIsNotThere) {
  const auto none = caught<ConfigError>([&] { run(features::unic(), "none"); });
  EXPECT_NE(none.line.find("the method 'unic' needs at least one teacher"), std::string::npos) << none.line;
  const auto twice = caught<ConfigError>([&] { run(features::unic(), "twice", with(scratch, {"knobs.use=[\"a\",\"a\"]"})); });
  EXPECT_NE(twice.line.find("knobs.use: teacher \"a\" is named twice"), std::string::npos) << twice.line;
  const auto typo = caught<ConfigError>([&] { run(features::unic(), "typo", with(scratch, {"knobs.use=[\"aa\"]"})); });
  EXPECT_NE(typo.line.find("there is no teacher \"aa\""), std::string::npos) << typo.line;
  const auto drop = caught<ConfigError>([&] { run(features::unic(), "drop", with(scratch, {"knobs.drop=1.5"})); });
  EXPECT_NE(drop.line.find("knobs.drop"), std::string::npos) << drop.line;
  const auto label = caught<ConfigError>([&] { run(features::unic(), "label", with(scratch, {"teachers.b.label=colour"})); });
  EXPECT_EQ(label.line, "digits has no label \"colour\"");
  EXPECT_THROW(Recipe::parse("[teachers.a]\nnet = \"mlp-4\"\n[teachers.a]\nnet = \"mlp-8\"\n", "twice.toml"), ConfigError);
}

}  // namespace
}  // namespace retort

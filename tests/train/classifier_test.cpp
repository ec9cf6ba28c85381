#include "retort/train/classifier.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/losses/soft_targets.h"
#include "retort/nets/model_file.h"
#include "tests/train/toy.h"

namespace retort {
namespace {

using testing::equal_tensors;
using testing::TemporaryFolder;

constexpr const char* kRecipe = R"(
method = "test"
[data]
source = "digits"
train = 100
validation = 50
test = 200
[teacher]
net = "mlp-16"
[teacher.data]
train = 400
[teacher.train]
epochs = 3
[student]
net = "mlp-4"
[train]
epochs = 2
)";

struct Fixture : ::testing::Test {
  TemporaryFolder folder;

  std::unique_ptr<retort::Run> begin(const std::string& name, std::vector<std::string> sets = {}, const char* recipe = kRecipe) {
    sets.insert(sets.begin(), {"run.dir=\"" + (folder / name) + "\"", "run.cache=\"" + (folder / "cache") + "\"", "run.latency=false"});
    auto run = std::make_unique<retort::Run>(Recipe::parse(recipe, "test.toml", sets));
    run->quiet = true;
    return run;
  }
  std::string refusal(const std::string& name, const std::vector<std::string>& sets, Access needs = Access::logits,
                      const char* recipe = kRecipe) {
    auto refused = begin(name, sets, recipe);
    try {
      prepare_classifier(*refused, needs);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was refused";
  }
};

using Classifier = Fixture;

TEST_F(Classifier, RunsFromRecipeToScores) {
  auto run = begin("run", {"student.alone=true"});
  ClassifierRun classifier = prepare_classifier(*run, Access::logits);
  EXPECT_EQ(classifier.splits.train.size(), 100);
  EXPECT_EQ(classifier.splits.test.size(), 200);
  Wanted wanted;
  wanted.logits = true;
  const auto learns = objective(wanted, [](const Step& step) { return Loss().add("kd", losses::kl(step.logits, step.teacher.logits)); });
  Net student = classifier.make_student(run->seed.stream("student"));
  classifier.fit("student", student, *learns);
  classifier.conclude(student);
  for (const char* metric : {"accuracy", "nll", "ece", "aurc", "agreement", "parameters", "bytes", "teacher.accuracy", "alone.accuracy"}) {
    EXPECT_EQ(run->outcome.metrics.count(metric), 1u) << metric;
  }
  EXPECT_EQ(run->outcome.metrics.at("parameters"), 64 * 4 + 4 + 4 * 10 + 10);
  EXPECT_GE(run->outcome.metrics.at("accuracy"), 0);
  EXPECT_LE(run->outcome.metrics.at("accuracy"), 100);
  EXPECT_TRUE(equal_tensors(student, load_model(run->dir).net));
}

TEST_F(Classifier, ATrainedTeacherIsKeptForTheNextRun) {
  auto first = begin("a"), second = begin("b"), other = begin("c", {"seed=5"});
  const ClassifierRun a = prepare_classifier(*first, Access::weights);
  EXPECT_TRUE(file_exists(folder / "a/checkpoints/teacher.done.safetensors"));
  const ClassifierRun b = prepare_classifier(*second, Access::weights);
  EXPECT_FALSE(file_exists(folder / "b/checkpoints/teacher.done.safetensors"));
  EXPECT_TRUE(equal_tensors(*a.teacher->net(), *b.teacher->net()));
  const ClassifierRun c = prepare_classifier(*other, Access::weights);
  EXPECT_TRUE(file_exists(folder / "c/checkpoints/teacher.done.safetensors"));
}

TEST_F(Classifier, ARandomTeacherIsNotTrained) {
  auto first = begin("a", {"teacher.kind=random"});
  const ClassifierRun a = prepare_classifier(*first, Access::weights);
  EXPECT_TRUE(equal_tensors(*a.teacher->net(),
                            make_net("mlp-16", {1, 8, 8}, 10, first->seed.stream("teacher").stream("member", 0).stream("net")).frozen()));
}

TEST_F(Classifier, RefusesATeacherOfOtherClasses) {
  const Net narrow = make_net("mlp-4", {1, 8, 8}, 3, Seed(1));
  InputSpec spec;
  spec.shape = {1, 8, 8};
  spec.classes = {"a", "b", "c"};
  save_model(folder / "narrow", narrow, spec, true);
  const std::string line = refusal("run", {"teacher.kind=file", "teacher.files=[\"" + (folder / "narrow") + "\"]"});
  EXPECT_NE(line.find("3 classes"), std::string::npos) << line;
  EXPECT_NE(line.find("10"), std::string::npos) << line;
}

TEST_F(Classifier, RefusesWhatTheTeacherDoesNotShow) {
  const std::string line = refusal("run", {"teacher.show=hard_labels"});
  EXPECT_NE(line.find("logits"), std::string::npos) << line;
  EXPECT_NE(line.find("hard_labels"), std::string::npos) << line;
  EXPECT_FALSE(file_exists(folder / "run/run.json"));  // before anything ran
}

TEST_F(Classifier, RefusesToDistilWithoutATeacher) {
  const std::string line = refusal("run", {}, Access::logits, "method = \"test\"\n[data]\nsource = \"digits\"\n");
  EXPECT_NE(line.find("needs a teacher"), std::string::npos) << line;
}

TEST_F(Classifier, RefusesFilesThatAreNotNamed) {
  EXPECT_NE(refusal("run", {"teacher.kind=torchscript"}).find("needs a path"), std::string::npos);
  EXPECT_NE(refusal("run", {"teacher.members=3", "teacher.weights=[1.0, 2.0]"}).find("2 entries for 3 teachers"), std::string::npos);
}

TEST_F(Classifier, UnlabelledRowsJoinTheTrainingPart) {
  auto run = begin("run", {"data.labels_per_class=2", "data.keep_unlabelled=true"});
  const ClassifierRun classifier = prepare_classifier(*run, Access::none);
  EXPECT_EQ(classifier.splits.train.size(), 100);
  EXPECT_EQ(classifier.splits.train.labels.ge(0).sum().item<int64_t>(), 20);
}

// Few labelled rows hold few of a column's values; the teacher's encoding, which knows them all, serves both.
TEST_F(Classifier, ATeacherFromAFileBringsItsWayOfReadingTables) {
  std::string table = "colour,size,label\n";
  for (int i = 0; i < 200; ++i) table += fmt::format("c{},{},{}\n", i % 40, i % 7, i % 2 ? "odd" : "even");
  write_file(folder / "table.csv", table);
  const std::string source = "data.source=\"" + (folder / "table.csv") + "\"";
  const std::vector<std::string> small = {source, "data.train=100", "data.labels_per_class=3", "data.validation=0", "data.test=50"};
  Splits splits = load_splits(
      [&] {
        DataKnobs knobs;
        knobs.source = folder / "table.csv";
        knobs.test = 50;
        return knobs;
      }(),
      Seed(1));
  ASSERT_EQ(splits.train.spec.shape, std::vector<int64_t>{41});
  save_model(folder / "teacher", make_net("mlp-4", {41}, 2, Seed(1)), splits.train.spec, /*own_config=*/true);
  std::vector<std::string> sets = small;
  sets.insert(sets.end(), {"teacher.kind=\"file\"", "teacher.files=[\"" + (folder / "teacher") + "\"]", "teacher.data.train=0"});
  auto run = begin("table", sets);
  const ClassifierRun classifier = prepare_classifier(*run, Access::logits);
  EXPECT_EQ(classifier.splits.train.size(), 6);
  EXPECT_EQ(classifier.splits.train.spec.table, splits.train.spec.table);
  EXPECT_EQ(classifier.splits.train.inputs.size(1), 41);

  write_file(folder / "table.csv", "hue" + table.substr(6));
  EXPECT_NE(refusal("hue", sets).find("column 1 is 'hue' (category), and the teacher reads 'colour' (category)"), std::string::npos)
      << refusal("hue", sets);
}

TEST_F(Classifier, TeachersFromFilesReadAlike) {
  InputSpec spec = load_splits(DataKnobs{}, Seed(1)).train.spec;
  save_model(folder / "a", make_net("mlp-4", {1, 8, 8}, 10, Seed(1)), spec, /*own_config=*/true);
  spec.mean[0] += 0.01 * spec.deviation[0];  // another draw of the training rows
  save_model(folder / "b", make_net("mlp-4", {1, 8, 8}, 10, Seed(2)), spec, /*own_config=*/true);
  spec.mean[0] += spec.deviation[0];
  save_model(folder / "c", make_net("mlp-4", {1, 8, 8}, 10, Seed(3)), spec, /*own_config=*/true);
  const auto files = [&](const std::string& other) {
    return std::vector<std::string>{"teacher.kind=\"file\"", "teacher.files=[\"" + (folder / "a") + "\",\"" + (folder / other) + "\"]",
                                    "teacher.data.train=100"};
  };
  auto run = begin("alike", files("b"));
  EXPECT_EQ(prepare_classifier(*run, Access::logits).splits.train.spec.mean, load_splits(DataKnobs{}, Seed(1)).train.spec.mean);
  EXPECT_NE(refusal("unlike", files("c")).find("prepares its inputs in another way"), std::string::npos);
}

}  // namespace
}  // namespace retort

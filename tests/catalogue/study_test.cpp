#include "retort/catalogue/study.h"

#include <filesystem>

#include "retort/base/file.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/study_report.h"
#include "tests/support.h"

namespace retort {
namespace {

StudyKnobs small_knobs() {
  StudyKnobs knobs;
  knobs.temperatures = {1, 4};
  knobs.weights = {0, 0.5, 1};
  knobs.students = {"mlp-4", "mlp-8"};
  knobs.teachers = {"poor: teacher.train.epochs=1; teacher.net=mlp-8", "best:"};
  knobs.seeds = 2;
  return knobs;
}

TEST(StudyDesign, TheCentreIsInTheMiddle) {
  const StudyDesign design(small_knobs());
  EXPECT_EQ(design.centre(), (Cell{1, 1, 1, 1, 0}));
  EXPECT_EQ(design.text(design.centre()), "mlp-8, teacher best, T = 4, w_kd = 0.5");
  EXPECT_EQ(design.text(design.without_teacher({0, 1, 0, 0, 0})), "mlp-4, labels alone");
  EXPECT_EQ(design.sets({0, 2, 0, 0, 0}), (std::vector<std::string>{"teacher.train.epochs=1", "teacher.net=mlp-8", "knobs.temperature=1.0",
                                                                    "knobs.w_kd=1.0", "student.net=\"mlp-4\"", "data.label_fraction=1.0"}));
}

TEST(StudyDesign, WithoutTeacherAllTemperaturesAndTeachersAreOne) {
  const StudyDesign design(small_knobs());
  EXPECT_EQ(design.canonical({0, 0, 1, 0, 0}), design.canonical({1, 0, 1, 1, 0}));
  EXPECT_NE(design.canonical({0, 1, 1, 0, 0}), design.canonical({1, 1, 1, 0, 0}));
}

TEST(StudyDesign, ScreensOneFactorAtATimeOrTemperatureAndWeightTogether) {
  StudyKnobs knobs;  // 5 temperatures, 5 weights, 3 students, 3 teachers, 1 fraction
  EXPECT_EQ(StudyDesign(knobs).screening().size(), 1u + 4 + 4 + 2 + 2);
  knobs.joint = true;
  EXPECT_EQ(StudyDesign(knobs).screening().size(), 1u + 5 * 4 - 1 + 1 + 2 + 2) << "the cells without weight are one";
}

CellScores scores_of(const StudyDesign& design, const std::function<double(const Cell&)>& score) {
  CellScores scores;
  for (const Cell& cell : design.screening()) scores[cell] = score(cell);
  return scores;
}

TEST(StudyDesign, KeepsTheBestLevelsAndCombinesThem) {
  StudyKnobs knobs;
  const StudyDesign design(knobs);
  const CellScores screened = scores_of(design, [](const Cell& cell) {
    return -std::abs(static_cast<double>(cell[kTemperature]) - 1) + static_cast<double>(cell[kStudent]) +
           0.1 * static_cast<double>(cell[kWeight]);
  });
  EXPECT_EQ(design.kept(kStudent, screened), (std::vector<size_t>{2, 1}));
  EXPECT_EQ(design.kept(kWeight, screened), (std::vector<size_t>{4, 3}));
  EXPECT_EQ(design.kept(kTemperature, screened).front(), 1u);
  const auto plan = design.affordable(screened);
  EXPECT_EQ(design.factorial(plan.kept).size(), 2u * 2 * 2 * 2 + 2) << "T x w x student x teacher, and each student without teacher";
  knobs.keep = 0;
  const StudyDesign full(knobs);
  EXPECT_EQ(full.factorial(full.affordable(scores_of(full, [](const Cell&) { return 0.0; })).kept).size(), 5u * 4 * 3 * 3 + 3);
}

TEST(StudyDesign, ABudgetDropsWhatMattersLeastThenSeeds) {
  StudyKnobs knobs;
  const auto plan_for = [&](double budget) {
    knobs.budget = budget;
    const StudyDesign design(knobs);
    return design.affordable(scores_of(design, [](const Cell& cell) {
      return 5 * static_cast<double>(cell[kStudent]) + 3 * static_cast<double>(cell[kTeacher]) + 2 * static_cast<double>(cell[kWeight]) +
             static_cast<double>(cell[kTemperature]);
    }));
  };
  EXPECT_EQ(plan_for(0).kept[kTemperature].size(), 2u);
  EXPECT_EQ(plan_for(80).kept[kTemperature].size(), 1u);
  EXPECT_EQ(plan_for(80).kept[kStudent].size(), 2u);
  EXPECT_EQ(plan_for(80).seeds, 3);
  EXPECT_EQ(plan_for(20).seeds, 1);
  EXPECT_NE(caught<BudgetError>([&] { plan_for(9); }).line.find("a budget of 9 trainings does not reach"), std::string::npos);
}

StudyResults::Entry entry(const Cell& cell, int64_t seed, double accuracy, double parameters, double teacher = 95) {
  ProofResult result;
  result.metrics = {{"val.accuracy", accuracy}, {"val.nll", 1 - accuracy / 100},
                    {"parameters", parameters}, {"teacher.val.accuracy", teacher},
                    {"accuracy", accuracy - 1}, {"entropy@1", 0.1},
                    {"entropy@4", 0.9},         {"gap", 1.0}};
  return {cell, false, seed, result, {}};
}

TEST(Study, RecommendsTheArgmaxOfTheValidationPart) {
  const StudyDesign design(small_knobs());
  StudyResults results;
  for (const int64_t seed : {0, 1}) {
    const double up = static_cast<double>(seed);
    results.entries.push_back(entry({1, 1, 1, 1, 0}, seed, 94 + up, 800));  // mlp-8, best teacher
    results.entries.push_back(entry({1, 1, 0, 1, 0}, seed, 93 + up, 400));
    results.entries.push_back(entry({1, 1, 1, 0, 0}, seed, 92 + up, 800, 85));
    results.entries.push_back(entry(design.without_teacher({1, 1, 1, 1, 0}), seed, 90 + up, 800));
    results.entries.push_back(entry(design.without_teacher({1, 1, 0, 1, 0}), seed, 80 + up, 400));
  }
  const Recommendation advice = recommend(design, results);
  EXPECT_EQ(advice.best, (Cell{1, 1, 1, 1, 0}));
  EXPECT_EQ(advice.text.rfind("Take mlp-8, teacher best, T = 4, w_kd = 0.5: with 94.50 ± 0.50 % on the validation part it is the best of 5 "
                              "configurations (2 seeds each)",
                              0),
            0u)
      << advice.text;
  ASSERT_TRUE(advice.smallest);
  EXPECT_EQ((*advice.smallest)[kStudent], 1u) << "93.5 is more than a point below 95";
  ASSERT_EQ(advice.warnings.size(), 1u);
  EXPECT_EQ(advice.warnings[0], "Teacher \"poor\" (85.00 %) is worse than mlp-8 without a teacher (90.50 %).");

  Outcome outcome;
  report_study(design, results, advice, {{"mlp-4", 1.0}, {"mlp-8", 2.0}}, outcome);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("accuracy"), 93.5);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("ce.accuracy"), 89.5);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("gain.mlp-4"), 13);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("teacher_gain"), 2);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("entropy_step"), 0.8);
  const auto runs = std::find_if(outcome.panels.begin(), outcome.panels.end(),
                                 [](const auto& panel) { return panel["title"] == "Every run"; });
  EXPECT_EQ((*runs)["rows"].size(), results.entries.size()) << "every run once";
  const auto front = std::find_if(outcome.panels.begin(), outcome.panels.end(),
                                  [](const auto& panel) { return panel["title"] == "Pareto front"; });
  EXPECT_EQ((*front)["rows"].size(), 2u);
}

TEST(Study, WarnsWhereATeacherBringsNothingAndWhereABetterOneHurts) {
  const StudyDesign design(small_knobs());
  StudyResults results;
  results.entries.push_back(entry(design.without_teacher({1, 1, 1, 1, 0}), 0, 94, 800));
  results.entries.push_back(entry({1, 1, 1, 1, 0}, 0, 91, 800, 97));
  results.entries.push_back(entry({1, 1, 1, 0, 0}, 0, 92, 800, 95));
  const Recommendation advice = recommend(design, results);
  EXPECT_EQ(advice.best, design.without_teacher({1, 1, 1, 1, 0}));
  EXPECT_NE(advice.warnings.at(0).find("brings nothing here"), std::string::npos);
  EXPECT_NE(advice.warnings.back().find("one seed"), std::string::npos);
}

class StudyRun : public testing::Test {
 protected:
  Scratch scratch;

  Recipe recipe(const std::vector<std::string>& sets = {}) {
    std::vector<std::string> all = {"run.dir=" + scratch.file("study"), "run.cache=" + scratch.file("cache")};
    all.insert(all.end(), sets.begin(), sets.end());
    return Recipe::parse(R"(
method = "kd-study"
[data]
train = 60
validation = 60
test = 60
[teacher]
net = "mlp-12"
[teacher.train]
epochs = 4
[student]
net = "mlp-4"
[train]
epochs = 3
lr = 0.01
[knobs]
temperatures = [1, 4]
weights = [0, 0.5]
students = ["mlp-4", "mlp-6"]
teachers = ["poor: teacher.train.epochs=1", "best:"]
seeds = 2
)",
                         "study.toml", all);
  }
};

TEST_F(StudyRun, RunsReportsAndGoesOnWithoutRunningAgain) {
  const Outcome first = run_recipe(recipe(), "study", false, true).outcome;
  for (const char* metric : {"accuracy", "ce.accuracy", "teacher.accuracy", "gain.mlp-4", "teacher_gain", "entropy_step", "runs"})
    EXPECT_TRUE(first.metrics.count(metric)) << metric;
  EXPECT_GT(first.metrics.at("entropy_step"), 0);
  const auto written = [&] {
    std::map<std::string, std::filesystem::file_time_type> times;
    for (const auto& file : std::filesystem::directory_iterator(scratch.file("study") + "/cells"))
      if (file.path().extension() == ".json") times[file.path().string()] = file.last_write_time();
    return times;
  };
  const auto before = written();
  EXPECT_EQ(static_cast<double>(before.size()), first.metrics.at("runs"));
  const Outcome second = run_recipe(recipe(), "study", /*resume=*/true, true).outcome;
  EXPECT_EQ(written(), before);
  EXPECT_EQ(first.metrics.at("accuracy"), second.metrics.at("accuracy"));
  EXPECT_EQ(first.panels[0], second.panels[0]);
}

TEST_F(StudyRun, WithoutWeightItIsLearningFromLabelsBitForBit) {
  const std::vector<std::string> sections = {"run.latency=false"};
  Recipe measured = recipe({"method=kd.measured", "run.dir=" + scratch.file("measured"), "knobs.w_kd=0.0", "knobs.temperature=4.0"});
  Recipe labels = recipe({"method=ce", "run.dir=" + scratch.file("ce")});
  run_recipe(measured, "", false, true);
  run_recipe(labels, "", false, true);
  EXPECT_EQ(read_file(scratch.file("measured") + "/student.safetensors"), read_file(scratch.file("ce") + "/student.safetensors"));
}

TEST_F(StudyRun, RefusesBadInput) {
  const auto refused = [&](const std::string& set) {
    return caught<ConfigError>([&] { run_recipe(recipe({set}), "study", false, true); }).line;
  };
  EXPECT_NE(refused("data.validation=0").find("a study chooses on a validation part"), std::string::npos);
  EXPECT_NE(refused("knobs.students=[]").find("knobs.students: a factor without levels"), std::string::npos);
  EXPECT_NE(refused("knobs.temperatures=[4, 4]").find("4 comes twice"), std::string::npos);
  EXPECT_NE(refused("knobs.weights=[0.5]").find("0 is not among them"), std::string::npos);
  EXPECT_NE(refused("train.epoch=3").find("train.epoch"), std::string::npos);
  EXPECT_NE(caught<BudgetError>([&] { run_recipe(recipe({"knobs.budget=0.5"}), "study", false, true); }).line.find("less than one run"),
            std::string::npos);
  EXPECT_NE(caught<BudgetError>([&] { run_recipe(recipe({"knobs.budget=1.5"}), "study", false, true); }).line.find("screening alone costs"),
            std::string::npos);
}

}  // namespace
}  // namespace retort

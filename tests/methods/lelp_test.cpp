#include "retort/methods/logits/lelp.h"

#include <csignal>

#include "retort/base/interrupt.h"
#include "retort/base/safetensors.h"
#include "retort/methods/baselines/hinton.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using LelpTest = MethodTest;

const std::vector<std::string> kParity = {"data.merge=[0,1,0,1,0,1,0,1,0,1]"};

std::vector<std::string> with(std::vector<std::string> sets) {
  sets.insert(sets.end(), kParity.begin(), kParity.end());
  return sets;
}

TEST(Lelp, LossByHand) {
  // Uniform over four subclasses against z = 0: log 4; the label's term has the rest of the weight.
  const Loss loss = logits::lelp_loss(at::zeros({1, 4}), at::full({1, 4}, 0.25), 1, at::full({}, 2.0), 0.25);
  EXPECT_NEAR(loss.total().item<double>(), 0.75 * std::log(4.0) + 0.25 * 2, 1e-6);
}

TEST_F(LelpTest, OneSubclassIsDistillationFromTheClasses) {
  run(logits::lelp(), "lelp", {"knobs.subclasses=1", "knobs.temperature=1.0", "knobs.group_by=label", "train.optimiser=sgd"});
  run(baselines::hinton(), "kd", {"knobs.temperature=1.0", "knobs.w_ce=0.0", "knobs.w_kd=1.0", "train.optimiser=sgd"});
  const TensorMap ours = load_model(scratch.file("lelp")).net.named_tensors(), theirs = load_model(scratch.file("kd")).net.named_tensors();
  for (const auto& [name, value] : theirs) EXPECT_LT((ours.at(name) - value).abs().max().item<double>(), 1e-4) << name;
}

TEST_F(LelpTest, TheStudentDecidesBetweenClasses) {
  run(logits::lelp(), "parity", with({"knobs.subclasses=3"}));
  const Model model = load_model(scratch.file("parity"));
  EXPECT_EQ(model.net.outputs(), 2);
  EXPECT_EQ(model.net.spec().at("subclasses"), 3);
  EXPECT_EQ(model.input.classes, (std::vector<std::string>{"0+2+4+6+8", "1+3+5+7+9"}));
  const auto kept = read_safetensors(scratch.file("parity") + "/subclasses.safetensors").tensors;
  EXPECT_EQ(kept.at("directions").sizes(), at::IntArrayRef({2, 8, 3}));
  EXPECT_TRUE(kept.count("projector"));
}

TEST_F(LelpTest, EveryChoiceTrainsAnotherStudent) {
  std::set<std::string> students;
  const std::vector<std::vector<std::string>> choices = {{},
                                                         {"knobs.rotate=false"},
                                                         {"knobs.null_space=off"},
                                                         {"knobs.split=kmeans"},
                                                         {"knobs.split=oracle"},
                                                         {"knobs.beta=0.3"},
                                                         {"knobs.w=0.5"},
                                                         {"knobs.student_temperature=2.0"},
                                                         {"knobs.group_by=label"}};
  for (size_t i = 0; i < choices.size(); ++i) {
    run(logits::lelp(), std::to_string(i), with(choices[i]));
    students.insert(student(std::to_string(i)));
  }
  EXPECT_EQ(students.size(), choices.size());
}

TEST_F(LelpTest, ATeacherWithSubclassHeadsIsTrainedAgain) {
  const Outcome outcome = run(
      logits::lelp(), "heads",
      with({"knobs.split=heads", "teacher.kind=train", "teacher.train.epochs=2", "run.cache=" + scratch.file("cache")}));
  EXPECT_GT(outcome.metrics.at("teacher-heads.accuracy"), 30);
  EXPECT_GT(term("heads", "subclasses"), 0);
  const auto refusal = caught<ConfigError>([&] { run(logits::lelp(), "random", with({"knobs.split=heads"})); });
  EXPECT_NE(refusal.line.find("\"heads\" trains the teacher again"), std::string::npos) << refusal.line;
}

TEST_F(LelpTest, ResumesToTheBit) {
  const auto sets = with({"run.checkpoint_seconds=0.0", "views.shift=1"});
  run(logits::lelp(), "unbroken", sets);
  install_interrupt_handler();
  std::raise(SIGINT);
  EXPECT_THROW(run(logits::lelp(), "broken", sets), Interrupted);
  clear_interrupt();
  run(logits::lelp(), "broken", sets, /*resume=*/true);
  EXPECT_EQ(student("unbroken"), student("broken"));
}

TEST_F(LelpTest, RefusesWhatIsNotThere) {
  const auto shown = caught<AccessError>([&] { run(logits::lelp(), "logits", with({"teacher.show=logits"})); });
  EXPECT_NE(shown.line.find("needs a teacher's features"), std::string::npos) << shown.line;
  const auto weights = caught<AccessError>([&] { run(logits::lelp(), "weights", with({"teacher.show=features", "knobs.null_space=on"})); });
  EXPECT_NE(weights.line.find("knobs.null_space: the teacher does not show the weights"), std::string::npos) << weights.line;
  run(logits::lelp(), "features", with({"teacher.show=features", "train.epochs=1"}));
  const auto many = caught<ConfigError>([&] { run(logits::lelp(), "many", with({"knobs.subclasses=9"})); });
  EXPECT_EQ(many.line, "subclasses: 9 of a class in 8 dimensions");
  const auto none = caught<ConfigError>([&] { run(logits::lelp(), "none", with({"knobs.subclasses=0"})); });
  EXPECT_NE(none.line.find("knobs.subclasses"), std::string::npos) << none.line;
  const auto oracle = caught<ConfigError>([&] { run(logits::lelp(), "oracle", {"knobs.split=oracle"}); });
  EXPECT_NE(oracle.line.find("\"oracle\" needs the fine labels"), std::string::npos) << oracle.line;
}

}  // namespace
}  // namespace retort

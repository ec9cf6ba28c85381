#include "retort/teachers/program_teacher.h"

#include "retort/base/file.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

// A Python program whose `answer(question)` is this body; it starts with a few names at hand.
std::vector<std::string> python(const Scratch& scratch, const std::string& body) {
  std::string text = "import json, sys, math\ndef answer(q):\n";
  text += "    " + body + "\n";
  text += "for line in sys.stdin:\n    print(answer(json.loads(line)), flush=True)\n";
  write_file(scratch.file("score.py"), text);
  return {"python3", scratch.file("score.py")};
}

// One that says the same to every question.
std::vector<std::string> always(const std::string& answer) { return {"sh", "-c", "while read -r line; do echo \"$0\"; done", answer}; }

Wanted logits() {
  Wanted wanted;
  wanted.logits = true;
  return wanted;
}

TEST(ProgramTeacher, ScoresAreLogits) {
  const Scratch scratch;
  const auto teacher = program_teacher(
      python(scratch, "return json.dumps({'ids': q['ids'], 'scores': [[x[0], x[1] - x[2], 2 * x[3]] for x in q['inputs']]})"), 3);
  const Dataset data = tiny_data(40, /*first_id=*/100);
  const Tensor x = data.inputs, expected = at::stack({x.select(1, 0), x.select(1, 1) - x.select(1, 2), 2 * x.select(1, 3)}, 1);
  const Signals said = teacher->ask(data.ids, data.inputs, false, {true, true});
  EXPECT_TRUE(at::allclose(said.logits, expected, 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(said.labels, expected.argmax(1)));
  teacher->serve(data);
  const Signals kept = teacher->ask(data.ids.flip(0), data.inputs.flip(0), true, logits());
  EXPECT_TRUE(at::allclose(kept.logits, expected.flip(0), 1e-6, 1e-6));
  EXPECT_EQ(teacher->access(), Access::logits);
  EXPECT_THROW(teacher->ask(data.ids, data.inputs, true, {false, false, {"f"}}), AccessError);
}

TEST(ProgramTeacher, IsToldIdsAndShape) {
  const Scratch scratch;
  // Refuses what is not as promised; its decision is the id.
  const auto teacher = program_teacher(python(scratch,
                                              "return json.dumps({'labels': [i % 3 for i in q['ids']]}) if q['shape'] == [4] and "
                                              "len(q['inputs'][0]) == 4 else json.dumps({'error': 'strange'})"),
                                       3, 60, Access::hard_labels);
  const Dataset data = tiny_data(20, 7);
  teacher->serve(data);
  EXPECT_TRUE(at::equal(teacher->ask(data.ids, data.inputs, true, {false, true}).labels, data.ids.remainder(3)));
  EXPECT_TRUE(at::equal(teacher->ask(data.ids.narrow(0, 3, 4), data.inputs.narrow(0, 3, 4), false, {false, true}).labels,
                        data.ids.narrow(0, 3, 4).remainder(3)));
  EXPECT_FALSE(teacher->ask(data.ids, data.inputs, true, {false, true}).logits.defined());
  EXPECT_EQ(caught<TeacherError>([&] {
              teacher->ask(data.ids, at::zeros({20, 5}), false, {false, true});
            }).line,
            "python3 " + scratch.file("score.py") + ": says: strange");
}

TEST(ProgramTeacher, ProbabilitiesBecomeLogits) {
  const auto teacher = program_teacher(always(R"({"probs": [[0.5, 0.5, 0], [0.5, 0.5, 0]]})"), 3);
  const Tensor said = teacher->ask(at::arange(2), at::zeros({2, 4}), false, logits()).logits;
  EXPECT_TRUE(at::allclose(said.softmax(1), at::tensor({0.5, 0.5, 0.0}).to(at::kFloat).expand({2, 3}), 0, 2e-6));
  EXPECT_TRUE(said.isfinite().all().item<bool>());
}

TEST(ProgramTeacher, LabelsShowNoMore) {
  const auto command = always(R"({"labels": [1]})");
  const auto tried = program_teacher(command, 3, 60, Access::logits, at::zeros({1, 4}));
  EXPECT_EQ(tried->access(), Access::hard_labels);
  EXPECT_THROW(tried->ask(at::arange(1), at::zeros({1, 4}), false, logits()), AccessError);
  EXPECT_TRUE(at::equal(tried->ask(at::arange(1), at::zeros({1, 4}), false, {false, true}).labels, at::ones({1}, at::kLong)));
  const auto untried = program_teacher(command, 3);
  EXPECT_EQ(untried->access(), Access::logits);
  EXPECT_THROW(untried->ask(at::arange(1), at::zeros({1, 4}), false, logits()), AccessError);
}

TEST(ProgramTeacher, SaysWhatIsWrongWithAnAnswer) {
  const Scratch scratch;
  const auto refusal = [&](const std::string& answer) {
    const auto teacher = program_teacher(always(answer), 3);
    const std::string name = teacher->about().substr(8) + ": ";  // without "program "
    const std::string line = caught<TeacherError>([&] { teacher->ask(at::arange(2), at::zeros({2, 4}), false, logits()); }).line;
    EXPECT_EQ(line.find(name), 0u) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return line.substr(std::min(name.size(), line.size()));
  };
  EXPECT_EQ(refusal("hello"), "answered with what is no JSON object: \"hello\"");
  EXPECT_EQ(refusal("[1]"), "answered with what is no JSON object: \"[1]\"");
  EXPECT_EQ(refusal(R"({"scores": [[NaN, 1, 2], [NaN, 1, 2]]})"),
            "answered with what is no JSON object: \"{\"scores\": [[NaN, 1, 2], [NaN, 1, 2]]}\"");
  EXPECT_EQ(refusal(R"({"scores": [[1, 2, null], [1, 2, 3]]})"), "\"scores\" of input 0: null is no finite number");
  EXPECT_EQ(refusal(R"({"scores": [[1, 2, 3], [1, 2, 1e200]]})"), "\"scores\" of input 1: 1e+200 is no finite number");
  EXPECT_EQ(refusal(R"({"scores": [[1, 2, 3]]})"), "1 answers in \"scores\" to 2 inputs");
  EXPECT_EQ(refusal(R"({"scores": 5})"), "no list of answers in \"scores\" to 2 inputs");
  EXPECT_EQ(refusal(R"({"scores": [[1, 2], [1, 2]]})"), "\"scores\" of input 0: 2 numbers; the data have 3 classes");
  EXPECT_EQ(refusal(R"({"probs": [[0.5, 0.5, 0.5], [1, 0, 0]]})"), "\"probs\" of input 0: their sum is 1.5, expected 1");
  EXPECT_EQ(refusal(R"({"probs": [[1.5, -0.5, 0], [1, 0, 0]]})"), "\"probs\" of input 0: -0.5 is negative");
  EXPECT_EQ(refusal(R"({"labels": [0, 3]})"), "label 3 of input 1: expected a class from 0 to 2");
  EXPECT_EQ(refusal(R"({"labels": [0, "1"]})"), "label \"1\" of input 1: expected a class from 0 to 2");
  EXPECT_EQ(refusal(R"({"answer": 1})"), "answered without \"probs\", \"scores\" or \"labels\": {\"answer\":1}");
  EXPECT_EQ(refusal(R"({"ids": [1, 0], "labels": [0, 1]})"), "answered about other ids than it was asked about");
  const auto raising = program_teacher(python(scratch, "raise ValueError('no such thing')"), 3);
  const std::string raised = caught<TeacherError>([&] { raising->ask(at::arange(2), at::zeros({2, 4}), false, logits()); }).line;
  EXPECT_NE(raised.find(scratch.file("score.py") + ": ended with code 1 before it answered; its stderr: "), std::string::npos) << raised;
  EXPECT_NE(raised.find("ValueError: no such thing"), std::string::npos) << raised;

  const auto fickle = program_teacher(
      python(scratch, "return json.dumps({'labels': [0, 0]} if q['ids'][0] else {'scores': [[0, 0, 0]] * 2})"), 3);
  fickle->ask(at::arange(2), at::zeros({2, 4}), false, {false, true});
  EXPECT_NE(caught<TeacherError>([&] {
              fickle->ask(at::arange(1, 3), at::zeros({2, 4}), false, {false, true});
            }).line.find("answered with numbers first and now with labels"),
            std::string::npos);
  EXPECT_NE(caught<TeacherError>([&] {
              fickle->ask(at::arange(2), at::full({2, 4}, NAN), false, {false, true});
            }).line.find("not finite"),
            std::string::npos);
  EXPECT_THROW(program_teacher({"true"}, 3, 1, Access::weights), ConfigError);
}

}  // namespace
}  // namespace retort

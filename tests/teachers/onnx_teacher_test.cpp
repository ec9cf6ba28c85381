#include "retort/teachers/onnx_teacher.h"

#include "retort/teachers/candidate.h"
#include "tests/teachers/onnx_file.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

const std::vector<int64_t> kShape = {2, 3, 4};

Tensor weight() { return at::empty({3, 24}).normal_(0, 1, Seed(3).generator()); }
Tensor bias() { return at::tensor({0.5, -1.0, 2.0}).to(at::kFloat); }
Tensor inputs(int64_t n) { return at::empty({n, 2, 3, 4}).normal_(0, 1, Seed(4).generator()); }
Tensor expected(int64_t n) { return inputs(n).flatten(1).matmul(weight().t()) + bias(); }

Wanted logits() {
  Wanted wanted;
  wanted.logits = true;
  return wanted;
}

Tensor asked(Teacher& teacher, int64_t n) { return teacher.ask(at::arange(n), inputs(n), false, logits()).logits; }

TEST(OnnxTeacher, SaysWhatTheFileSays) {
  const Scratch scratch;
  const std::string path = scratch.file("a.onnx");
  write_linear_onnx(path, kShape, weight(), bias());
  const auto teacher = onnx_teacher(path, 3, kShape);
  for (const int64_t n : {5, 1, 16, 5}) EXPECT_LT((asked(*teacher, n) - expected(n)).abs().max().item<double>(), 1e-5) << n;
  EXPECT_EQ(teacher->access(), Access::logits);
  EXPECT_EQ(teacher->about(), "ONNX file " + path);
  EXPECT_TRUE(at::equal(teacher->ask(at::arange(5), inputs(5), false, {false, true}).labels, expected(5).argmax(1)));
  EXPECT_THROW(teacher->ask(at::arange(5), inputs(5), false, {false, false, {"f"}}), AccessError);
  EXPECT_EQ(onnx_teacher(path, 0, kShape)->classes(), 3);
}

TEST(OnnxTeacher, FindsASoftmaxAtTheEnd) {
  const Scratch scratch;
  const std::string path = scratch.file("a.onnx");
  const auto difference = [&](const std::string& end, OnnxOutput output, const Tensor& to) {
    write_linear_onnx(path, kShape, weight() / 10, bias(), end);
    return (asked(*onnx_teacher(path, 3, kShape, output), 4) - to).abs().max().item<double>();
  };
  const Tensor z = inputs(4).flatten(1).matmul(weight().t()) / 10 + bias();
  EXPECT_LT(difference("Softmax", OnnxOutput::found_out, z.log_softmax(1)), 1e-4);
  EXPECT_LT(difference("LogSoftmax", OnnxOutput::found_out, z.log_softmax(1)), 1e-5);
  EXPECT_LT(difference("Softmax", OnnxOutput::logits, z.softmax(1)), 1e-5);
  EXPECT_LT(difference("", OnnxOutput::found_out, z), 1e-5);
  EXPECT_EQ(onnx_output_from("probabilities"), OnnxOutput::probabilities);
  EXPECT_THROW(onnx_output_from("odds"), ConfigError);
}

TEST(OnnxTeacher, AFileWrittenForOneInputIsAskedOneAtATime) {
  const Scratch scratch;
  const std::string path = scratch.file("a.onnx");
  // A constant of one row is joined to the input: no other batch fits.
  write_onnx(path, {1, 2, 3, 4},
             {{"Flatten", {"x"}, {"flat"}, {{"axis", 1}}},
              {"Concat", {"flat", "more"}, {"long"}, {{"axis", 1}}},
              {"Gemm", {"long", "w", "b"}, {"logits"}, {{"transB", 1}}}},
             {{"more", at::ones({1, 2})}, {"w", at::cat({weight(), at::zeros({3, 2})}, 1)}, {"b", bias()}}, {"logits"});
  const auto teacher = onnx_teacher(path, 3, kShape);
  EXPECT_LT((asked(*teacher, 5) - expected(5)).abs().max().item<double>(), 1e-5);
}

TEST(OnnxTeacher, SaysWhatIsWrong) {
  const Scratch scratch;
  const std::string path = scratch.file("a.onnx");
  const auto refused = [&] {
    const std::string line = caught<DataError>([&] { onnx_teacher(path, 3, kShape); }).line;
    EXPECT_EQ(line.find(path + ": "), 0u) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return line.substr(path.size() + 2);
  };
  EXPECT_EQ(refused(), "there is no such file");
  write_file(path, "not a protobuf at all");
  EXPECT_NE(refused(), "");
  write_file(path, "");
  EXPECT_NE(refused(), "");
  write_onnx(path, {0, 2, 3, 4}, {{"Flatten", {"x"}, {"flat"}, {{"axis", 1}}}, {"Wobble", {"flat"}, {"logits"}, {}}}, {}, {"logits"});
  EXPECT_NE(refused().find("Wobble"), std::string::npos);
  write_onnx(path, {0, 2, 3, 4},
             {{"Flatten", {"x"}, {"flat"}, {{"axis", 1}}}, {"Relu", {"flat"}, {"one"}, {}}, {"Sigmoid", {"flat"}, {"two"}, {}}}, {},
             {"one", "two"});
  EXPECT_EQ(refused(), "has 2 outputs, expected one");

  write_linear_onnx(path, kShape, weight(), bias());
  const Caught classes = caught<TeacherError>([&] { onnx_teacher(path, 5, kShape); });
  EXPECT_EQ(classes.line, path + ": answers with shape [2,3] to 2 inputs, expected [2,5]");
  EXPECT_EQ(classes.hint, "the teacher and the data must have the same classes");
  const std::string shape = caught<TeacherError>([&] { onnx_teacher(path, 3, {2, 3, 5}); }).line;
  EXPECT_EQ(shape.find(path + ": "), 0u) << shape;
  EXPECT_EQ(shape.find('\n'), std::string::npos);
  const auto teacher = onnx_teacher(path, 3, kShape);
  EXPECT_NE(caught<TeacherError>([&] { teacher->ask(at::arange(2), inputs(2) * NAN, false, logits()); }).line.find("no finite number"),
            std::string::npos);
}

TEST(OnnxTeacher, IsACandidate) {
  const Scratch scratch;
  write_linear_onnx(scratch.file("a.onnx"), kShape, weight(), bias());
  InputSpec spec;
  spec.shape = kShape;
  spec.classes = {"a", "b", "c", "d"};
  const auto teacher = open_candidate(scratch.file("a.onnx"), spec, at::kCPU, Seed(1));
  EXPECT_EQ(teacher->classes(), 3);
  EXPECT_LT((asked(*teacher, 3) - expected(3)).abs().max().item<double>(), 1e-5);
  EXPECT_THROW(open_candidate(scratch.file("none.onnx"), spec, at::kCPU, Seed(1)), DataError);
}

}  // namespace
}  // namespace retort

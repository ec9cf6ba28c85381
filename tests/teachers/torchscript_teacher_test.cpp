#include <torch/script.h>

#include "retort/base/file.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

// A scripted module with a 3 x 4 weight whose forward is `body`.
std::string script(const Scratch& scratch, const std::string& body) {
  torch::jit::Module module("teacher");
  module.register_parameter("w", at::arange(12, at::kFloat).view({3, 4}) / 10, false);
  module.define("def forward(self, x):\n    " + body + "\n");
  const std::string path = scratch.file("teacher.pt");
  module.save(path);
  return path;
}

TEST(TorchScriptTeacher, SaysWhatTheModuleSays) {
  Scratch scratch;
  const auto teacher = torchscript_teacher(script(scratch, "return torch.matmul(x, self.w.t())"), 3, at::kCPU, {4});
  const Dataset data = tiny_data();
  const Tensor expected = data.inputs.matmul((at::arange(12, at::kFloat).view({3, 4}) / 10).t());
  const Signals said = teacher->ask(data.ids, data.inputs, true, {true, true});
  EXPECT_TRUE(at::allclose(said.logits, expected, 0, 1e-6));
  EXPECT_TRUE(at::equal(said.labels, expected.argmax(1)));
  EXPECT_TRUE(at::equal(teacher->ask(data.ids.flip(0), data.inputs.flip(0), true, {true}).logits, said.logits.flip(0)));
  EXPECT_EQ(teacher->access(), Access::logits);
  EXPECT_THROW(teacher->ask(data.ids, data.inputs, true, {false, false, {"f"}}), AccessError);
}

TEST(TorchScriptTeacher, SaysWhatIsWrong) {
  Scratch scratch;
  const std::string path = scratch.file("teacher.pt");
  EXPECT_EQ(caught<DataError>([&] { torchscript_teacher(path, 3); }).line, path + ": there is no such file");
  write_file(path, "not a zip archive");
  const Caught garbage = caught<DataError>([&] { torchscript_teacher(path, 3); });
  EXPECT_EQ(garbage.line.find(path + ": not a TorchScript file"), 0u);
  EXPECT_EQ(garbage.line.find('\n'), std::string::npos);

  const auto failing = [&](const std::string& body, int64_t classes, const std::vector<int64_t>& shape) {
    const std::string file = script(scratch, body);
    return caught<TeacherError>([&] { torchscript_teacher(file, classes, at::kCPU, shape); });
  };
  EXPECT_EQ(failing("return torch.matmul(x, self.w.t())", 5, {4}).line, path + ": answers with shape [2,3] to 2 inputs, expected [2,5]");
  EXPECT_EQ(failing("return torch.matmul(x, self.w.t())", 5, {4}).hint, "the teacher and the data must have the same classes");
  EXPECT_EQ(failing("return torch.matmul(x, self.w.t()).sum()", 3, {4}).line, path + ": answers with shape [] to 2 inputs, expected [2,3]");
  EXPECT_EQ(failing("return (x, x)", 3, {4}).line, path + ": answers with Tuple, expected one tensor [batch, 3]");
  const Caught refused = failing("return torch.matmul(x, self.w.t())", 3, {7});
  EXPECT_EQ(refused.line.find(path + ": fails on inputs [2,7]: "), 0u);
  EXPECT_EQ(refused.line.find('\n'), std::string::npos);
  EXPECT_GT(refused.line.size(), (path + ": fails on inputs [2,7]: ").size());
}

}  // namespace
}  // namespace retort

// The only file that knows TorchScript: its header alone costs as much to compile as the rest of this folder.
#include <torch/script.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/kept_answers.h"

namespace retort {
namespace {

// The first line that says something; libtorch's messages go on with a trace.
std::string first_line(const std::exception& error) {
  const auto* const from_torch = dynamic_cast<const c10::Error*>(&error);
  std::string text = from_torch ? from_torch->what_without_backtrace() : error.what();
  // A TorchScript runtime error begins with a trace and ends with what went wrong.
  if (const size_t runtime = text.rfind("RuntimeError: "); runtime != std::string::npos) text = text.substr(runtime + 14);
  text = text.substr(0, text.find('\n'));
  return text.size() > 200 ? text.substr(0, 200) + "…" : text;
}

class TorchScriptTeacher final : public Teacher {
 public:
  TorchScriptTeacher(std::string path, torch::jit::Module module, int64_t classes, at::Device device)
      : path_(std::move(path)), module_(std::move(module)), classes_(classes), device_(device), answers_(int64_t{1} << 30) {}

  Access access() const override { return Access::logits; }
  int64_t classes() const override { return classes_; }
  std::string about() const override { return "TorchScript file " + path_; }

  void serve(const Dataset& data) override { answers_.serve(data); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    return answers_.answer(ids, inputs, repeats, wanted, [this](const Tensor& x, bool, const std::vector<std::string>&) {
      Signals said;
      said.logits = run(x);
      return said;
    });
  }

  Tensor run(const Tensor& x) {
    const at::NoGradGuard no_grad;
    c10::IValue out;
    try {
      out = module_.forward({x.detach().to(device_)});
    } catch (const std::exception& error) {
      throw TeacherError(fmt::format("{}: fails on inputs {}: {}", path_, shape_text(x), first_line(error)),
                         "its forward must take one float tensor [batch, …] of the shape and scaling of your data");
    }
    if (!out.isTensor()) {
      throw TeacherError(fmt::format("{}: answers with {}, expected one tensor [batch, {}]", path_, out.tagKind(), classes_),
                         "script a module whose forward returns the logits alone");
    }
    const Tensor logits = out.toTensor();
    if (classes_ == 0 && logits.dim() == 2) classes_ = logits.size(1);
    if (logits.dim() != 2 || logits.size(0) != x.size(0) || logits.size(1) != classes_) {
      throw TeacherError(fmt::format("{}: answers with shape {} to {} inputs, expected [{},{}]", path_, shape_text(logits), x.size(0),
                                     x.size(0), classes_),
                         logits.dim() == 2 && logits.size(0) == x.size(0) ? "the teacher and the data must have the same classes"
                                                                          : "its forward must return logits [batch, classes]");
    }
    return logits.to(at::kFloat);
  }

 private:
  static std::string shape_text(const Tensor& x) { return fmt::format("[{}]", fmt::join(x.sizes().begin(), x.sizes().end(), ",")); }

  std::string path_;
  torch::jit::Module module_;
  int64_t classes_;
  at::Device device_;
  KeptAnswers answers_;
};

torch::jit::Module load_module(const std::string& path, at::Device device) {
  if (!file_exists(path)) throw DataError(path + ": there is no such file", "give the path of a file made by torch.jit.save");
  try {
    torch::jit::Module module = torch::jit::load(path, device);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    throw DataError(fmt::format("{}: not a TorchScript file: {}", path, first_line(error)),
                    "save it with torch.jit.script(model).save(path) or torch.jit.trace");
  }
}

// Freezing folds constants and batch-norm; modules that cannot be frozen run as they are.
torch::jit::Module frozen_if_possible(const torch::jit::Module& module) {
  try {
    return torch::jit::freeze(module);
  } catch (const std::exception&) {
    return module;
  }
}

}  // namespace

std::unique_ptr<Teacher> torchscript_teacher(const std::string& path, int64_t classes, at::Device device,
                                             const std::vector<int64_t>& input_shape) {
  auto teacher = std::make_unique<TorchScriptTeacher>(path, frozen_if_possible(load_module(path, device)), classes, device);
  if (!input_shape.empty()) {
    std::vector<int64_t> two = input_shape;
    two.insert(two.begin(), 2);
    teacher->run(at::zeros(two));
  }
  return teacher;
}

}  // namespace retort

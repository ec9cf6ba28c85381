#include "retort/teachers/candidate.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/data/renormalisation.h"
#include "retort/nets/model_file.h"
#include "retort/teachers/onnx_teacher.h"

namespace retort {
namespace {

class RenormalisingTeacher final : public Teacher {
 public:
  RenormalisingTeacher(std::unique_ptr<Teacher> teacher, InputSpec own, Renormalisation change)
      : teacher_(std::move(teacher)), own_(std::move(own)), change_(std::move(change)) {}

  Access access() const override { return teacher_->access(); }
  int64_t classes() const override { return teacher_->classes(); }
  std::string about() const override { return teacher_->about(); }
  bool live() const override { return teacher_->live(); }
  std::vector<std::string> tap_names() const override { return teacher_->tap_names(); }
  std::vector<int64_t> tap_shape(const std::string& name) const override { return teacher_->tap_shape(name); }
  const Net* net() const override { return teacher_->net(); }

  void serve(const Dataset& data) override {
    Dataset mine = data;
    mine.spec = own_;
    teacher_->serve(mine);
  }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    return teacher_->ask(ids, change_(inputs), repeats, wanted);
  }

 private:
  std::unique_ptr<Teacher> teacher_;
  InputSpec own_;
  Renormalisation change_;
};

bool has_ending(const std::string& text, const std::string& ending) {
  return text.size() > ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

}  // namespace

std::unique_ptr<Teacher> reading_its_own_way(std::unique_ptr<Teacher> teacher, const InputSpec& own, const InputSpec& given,
                                             const std::string& name) {
  if (own.shape != given.shape) {
    throw DataError(
        fmt::format("{}: reads inputs [{}], and the data have [{}]", name, fmt::join(own.shape, ","), fmt::join(given.shape, ",")),
        "bring images to one size with data.resize");
  }
  if (own.table != given.table)
    throw DataError(name + ": encodes the columns of its table in another way than the data",
                    "it can only be asked about data prepared as it learned them");
  if (own.mean == given.mean && own.deviation == given.deviation) return teacher;
  return std::make_unique<RenormalisingTeacher>(std::move(teacher), own, Renormalisation(given, own));
}

std::unique_ptr<Teacher> open_candidate(const std::string& given, const InputSpec& data, at::Device device, Seed seed) {
  std::error_code none;
  if (has_ending(given, ".pt") || has_ending(given, ".pth")) return torchscript_teacher(given, /*classes=*/0, device, data.shape);
  if (has_ending(given, ".onnx")) return onnx_teacher(given, /*classes=*/0, data.shape);
  if (std::filesystem::exists(given, none) || has_ending(given, ".safetensors") || given.find('/') != std::string::npos) {
    Model model = load_model(given);
    model.net.to(device);
    return reading_its_own_way(net_teacher(model.net), model.input, data, given);
  }
  try {
    Net net = make_net(given, data.shape, static_cast<int64_t>(data.classes.size()), seed);
    net.train(false);
    net.to(device);
    return net_teacher(net);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("no teacher '{}': there is no such file, and {}", given, error.what()),
                      "a candidate is a run folder, a .safetensors, .pt or .onnx file, or the name of a net; " + error.hint());
  }
}

}  // namespace retort

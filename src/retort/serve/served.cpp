#include "retort/serve/served.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/sha256.h"
#include "retort/nets/model_file.h"
#include "retort/train/detector.h"

namespace retort {
namespace {

constexpr const char* kEmbedding = "embedding";

std::string digest_of_weights(const Net& net) {
  std::string all;
  for (const auto& [name, tensor] : net.named_tensors()) {
    const Tensor values = tensor.detach().cpu().contiguous();
    all += name + sha256_of({static_cast<const char*>(values.data_ptr()), values.nbytes()});
  }
  return sha256_of(all);
}

class ServedNet final : public Served {
 public:
  ServedNet(const Net& net, InputSpec input, std::string name)
      : net_(net.frozen()), input_(std::move(input)), name_(std::move(name)), fingerprint_(digest_of_weights(net)) {}

  const std::string& name() const override { return name_; }
  const InputSpec& input() const override { return input_; }
  std::string about() const override {
    return fmt::format("{}, {} parameters", net_.spec().value("arch", std::string("net")), with_commas(net_.param_count()));
  }
  std::string fingerprint() const override { return fingerprint_; }
  int64_t embedding_width() const override {
    int64_t width = 1;
    for (const int64_t extent : net_.tap_shape(kEmbedding)) width *= extent;
    return width;
  }
  ServedAnswer answer(const Tensor& inputs, bool embeddings) override {
    const at::NoGradGuard no_grad;
    Taps taps{{kEmbedding}, {}};
    ServedAnswer answer;
    answer.probabilities = net_.forward(inputs, embeddings ? &taps : nullptr).softmax(1);
    if (embeddings) answer.embeddings = taps.found.at(kEmbedding).flatten(1);
    return answer;
  }

 private:
  Net net_;
  InputSpec input_;
  std::string name_, fingerprint_;
};

class ServedTeacher final : public Served {
 public:
  ServedTeacher(std::unique_ptr<Teacher> teacher, InputSpec input, std::string name, std::string fingerprint)
      : teacher_(std::move(teacher)), input_(std::move(input)), name_(std::move(name)), fingerprint_(std::move(fingerprint)) {
    require_access(*teacher_, Access::logits, "serving");
    for (const std::string& tap : teacher_->tap_names())
      if (tap == kEmbedding) {
        width_ = 1;
        for (const int64_t extent : teacher_->tap_shape(tap)) width_ *= extent;
      }
  }

  const std::string& name() const override { return name_; }
  const InputSpec& input() const override { return input_; }
  std::string about() const override { return teacher_->about(); }
  std::string fingerprint() const override { return fingerprint_; }
  int64_t embedding_width() const override { return width_; }
  ServedAnswer answer(const Tensor& inputs, bool embeddings) override {
    Wanted wanted;
    wanted.logits = true;
    if (embeddings) wanted.features = {kEmbedding};
    const Signals said = teacher_->ask(at::arange(inputs.size(0), at::kLong), inputs, /*repeats=*/false, wanted);
    ServedAnswer answer;
    answer.probabilities = said.logits.to(at::kFloat).softmax(1);
    if (embeddings) answer.embeddings = said.features.at(kEmbedding).flatten(1);
    return answer;
  }

 private:
  std::unique_ptr<Teacher> teacher_;
  InputSpec input_;
  std::string name_, fingerprint_;
  int64_t width_ = 0;
};

// "3,32,32", or nothing for what is no list of whole numbers.
std::vector<int64_t> shape_from(const std::string& text) {
  std::vector<int64_t> shape;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    if (part.empty() || part.size() > 6 || part.find_first_not_of("0123456789") != std::string::npos || std::stoll(part) < 1) return {};
    shape.push_back(std::stoll(part));
    at = comma + 1;
  }
  return shape.size() <= 4 ? shape : std::vector<int64_t>{};
}

std::unique_ptr<Served> open_torchscript(const std::string& path, const std::string& reads, const std::string& name) {
  if (reads.empty())
    throw ConfigError(path + ": a TorchScript file does not say how it reads inputs",
                      "give their shape with --reads 3,32,32, or a run whose inputs are prepared alike");
  InputSpec input;
  input.shape = shape_from(reads);
  if (input.shape.empty()) input = load_model_input(reads);
  auto teacher = torchscript_teacher(path, /*classes=*/static_cast<int64_t>(input.classes.size()), at::kCPU, input.shape);
  for (int64_t c = static_cast<int64_t>(input.classes.size()); c < teacher->classes(); ++c) input.classes.push_back(std::to_string(c));
  return served_teacher(std::move(teacher), std::move(input), name, sha256_of(read_file(path)));
}

}  // namespace

std::unique_ptr<Served> served_net(const Net& net, InputSpec input, std::string name) {
  return std::make_unique<ServedNet>(net, std::move(input), std::move(name));
}

std::unique_ptr<Served> served_teacher(std::unique_ptr<Teacher> teacher, InputSpec input, std::string name, std::string fingerprint) {
  return std::make_unique<ServedTeacher>(std::move(teacher), std::move(input), std::move(name), std::move(fingerprint));
}

std::unique_ptr<Served> open_served(const std::string& path, const std::string& reads) {
  const std::filesystem::path given(path);
  std::string name = (given.has_filename() ? given : given.parent_path()).stem().string();
  if (name.empty() || name == "." || name == "..") name = "net";
  if (given.extension() == ".pt" || given.extension() == ".pth") return open_torchscript(path, reads, name);
  if (!reads.empty()) throw ConfigError("--reads is for TorchScript files; this model knows how it reads inputs", "leave it out");
  Model model = load_model(path);
  if (detected_classes(model.net) > 0) throw DataError(path + ": a detector; only classifiers are served", "ask it with `retort predict`");
  return served_net(model.net, std::move(model.input), name);
}

}  // namespace retort

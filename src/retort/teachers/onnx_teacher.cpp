#include "retort/teachers/onnx_teacher.h"

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/dnn/all_layers.hpp>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/kept_answers.h"

namespace retort {
namespace {

// What OpenCV means: the innermost of messages that quote each other, as one line.
std::string meaning(const cv::Exception& error) {
  std::string text = error.err.empty() ? error.what() : error.err;
  const size_t inner = text.rfind("error: (");
  if (inner != std::string::npos) text = text.substr(std::min(text.find(')', inner) + 2, text.size()));
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (const size_t where = text.rfind(" in function "); where != std::string::npos && where > 0) text.resize(where);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.size() > 200 ? text.substr(0, 200) + "…" : text;
}

// OpenCV tells the terminal what it throws.
class Hushed {
 public:
  Hushed() : before_(cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT)) {}
  ~Hushed() { cv::utils::logging::setLogLevel(before_); }
  Hushed(const Hushed&) = delete;
  Hushed& operator=(const Hushed&) = delete;

 private:
  cv::utils::logging::LogLevel before_;
};

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

cv::dnn::Net load_onnx(const std::string& path) {
  if (!file_exists(path)) throw DataError(path + ": there is no such file", "give the path of an .onnx file");
  try {
    const Hushed hushed;
    cv::dnn::Net net = cv::dnn::readNetFromONNX(path);
    if (net.empty() || net.getUnconnectedOutLayers().empty())
      throw DataError(path + ": not an ONNX file, or one without layers", "export it with torch.onnx.export");
    net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    return net;
  } catch (const cv::Exception& error) {
    throw DataError(fmt::format("{}: OpenCV cannot read it as ONNX: {}", path, meaning(error)),
                    "export it with constant shapes and opset 11 to 13; or use TorchScript, or teacher.kind = \"program\"");
  }
}

// Whether the output comes from a softmax (not from its logarithm), seen through layers that only rename or reshape.
bool ends_in_softmax(cv::dnn::Net& net, int layer_id) {
  cv::Ptr<cv::dnn::Layer> layer = net.getLayer(layer_id);
  for (int steps = 0; steps < 8 && layer; ++steps) {
    if (layer->type == "Softmax") {
      const auto softmax = layer.dynamicCast<cv::dnn::SoftmaxLayer>();
      return softmax && !softmax->logSoftMax;
    }
    if (layer->type != "Identity" && layer->type != "Flatten" && layer->type != "Reshape") return false;
    const auto inputs = net.getLayerInputs(net.getLayerId(layer->name));
    if (inputs.size() != 1) return false;
    layer = inputs.front();
  }
  return false;
}

class OnnxTeacher final : public Teacher {
 public:
  OnnxTeacher(std::string path, int64_t classes, OnnxOutput output)
      : path_(std::move(path)), net_(load_onnx(path_)), classes_(classes), answers_(int64_t{1} << 30) {
    const std::vector<int> ends = net_.getUnconnectedOutLayers();
    if (ends.size() != 1)
      throw DataError(fmt::format("{}: has {} outputs, expected one", path_, ends.size()),
                      "export a model whose forward returns the logits alone");
    probabilities_ = output == OnnxOutput::probabilities || (output == OnnxOutput::found_out && ends_in_softmax(net_, ends.front()));
  }

  Access access() const override { return Access::logits; }
  int64_t classes() const override { return classes_; }
  std::string about() const override {
    return fmt::format("ONNX file {}{}", path_, probabilities_ ? ", which answers with probabilities" : "");
  }

  void serve(const Dataset& data) override { answers_.serve(data); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    return answers_.answer(ids, inputs, repeats, wanted, [this](const Tensor& x, bool, const std::vector<std::string>&) {
      Signals said;
      said.logits = run(x);
      return said;
    });
  }

  Tensor run(const Tensor& inputs) {
    const Tensor x = inputs.detach().to(at::kCPU, at::kFloat).contiguous();
    Tensor out;
    if (!one_at_a_time_) {
      try {
        out = forward(x);
      } catch (const TeacherError&) {
        if (x.size(0) == 1) throw;
      }
      // A file may hold the batch that it was written with.
      one_at_a_time_ = x.size(0) > 1 && !(out.defined() && out.size(0) == x.size(0));
    }
    if (one_at_a_time_) {
      Tensors rows;
      for (int64_t i = 0; i < x.size(0); ++i) rows.push_back(forward(x.narrow(0, i, 1)));
      out = at::cat(rows);
    }
    while (out.dim() > 2 && out.size(-1) == 1) out = out.squeeze(-1);
    if (classes_ == 0 && out.dim() == 2) classes_ = out.size(1);
    if (out.dim() != 2 || out.size(0) != x.size(0) || out.size(1) != classes_) {
      throw TeacherError(fmt::format("{}: answers with shape {} to {} inputs, expected {}", path_, shape_text(out.sizes().vec()), x.size(0),
                                     shape_text({x.size(0), classes_})),
                         out.dim() == 2 && out.size(0) == x.size(0) ? "the teacher and the data must have the same classes"
                                                                    : "its one output must be logits [batch, classes]");
    }
    if (!out.isfinite().all().item<bool>())
      throw TeacherError(path_ + ": answers with what is no finite number", "are its inputs scaled as those it learned from?");
    if (probabilities_) out = out.clamp_min(1e-6).log().log_softmax(1);
    return out.to(inputs.device());
  }

 private:
  Tensor forward(const Tensor& x) {
    try {
      const Hushed hushed;
      const std::vector<int> sizes(x.sizes().begin(), x.sizes().end());
      net_.setInput(cv::Mat(static_cast<int>(sizes.size()), sizes.data(), CV_32F, x.data_ptr<float>()));
      cv::Mat out = net_.forward();
      if (!out.isContinuous()) out = out.clone();
      if (out.type() != CV_32F) throw TeacherError(path_ + ": answers with what are no 32-bit floats", "export it in single precision");
      std::vector<int64_t> shape(static_cast<size_t>(out.dims));
      for (int d = 0; d < out.dims; ++d) shape[static_cast<size_t>(d)] = out.size[d];
      return at::from_blob(out.data, shape, at::kFloat).clone();
    } catch (const cv::Exception& error) {
      throw TeacherError(fmt::format("{}: fails on inputs {}: {}", path_, shape_text(x.sizes().vec()), meaning(error)),
                         "it must take one float input [batch, …] of the shape and scaling of your data");
    }
  }

  std::string path_;
  cv::dnn::Net net_;
  int64_t classes_;
  bool probabilities_ = false, one_at_a_time_ = false;
  KeptAnswers answers_;
};

}  // namespace

OnnxOutput onnx_output_from(const std::string& name) {
  if (name == "auto") return OnnxOutput::found_out;
  if (name == "logits") return OnnxOutput::logits;
  if (name == "probabilities") return OnnxOutput::probabilities;
  throw ConfigError(fmt::format("output \"{}\": expected auto, logits or probabilities", name));
}

std::unique_ptr<Teacher> onnx_teacher(const std::string& path, int64_t classes, const std::vector<int64_t>& input_shape,
                                      OnnxOutput output) {
  auto teacher = std::make_unique<OnnxTeacher>(path, classes, output);
  if (!input_shape.empty()) {
    std::vector<int64_t> two = input_shape;
    two.insert(two.begin(), 2);
    teacher->run(at::zeros(two));
  }
  return teacher;
}

}  // namespace retort

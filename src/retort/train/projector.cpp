#include "retort/train/projector.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

std::string text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

ConfigError no_regressor(const Shape& student, const Shape& teacher) {
  return ConfigError(
      fmt::format("no regressor leads from student features {} to teacher features {}", text(student), text(teacher)),
      "choose layers of one kind; a student's map may have half the teacher's size or at least its full size, tokens must be as many");
}

Layer valid_convolution(NetBuilder& b, const Shape& student, const Shape& teacher) {
  const int64_t height = 1 + student[1] - teacher[1], width = 1 + student[2] - teacher[2];
  const Init init = kaiming_uniform(student[0] * height * width);
  const Slot weight = b.param("conv.weight", {teacher[0], student[0], height, width}, init),
             bias = b.param("conv.bias", {teacher[0]}, init);
  return [=](const Tensor& x, const Frame& frame) { return at::conv2d(x, frame.params[weight], frame.params[bias]); };
}

Layer map_layer(NetBuilder& b, const Shape& student, const Shape& teacher) {
  const auto both = [&](auto holds) { return holds(student[1], teacher[1]) && holds(student[2], teacher[2]); };
  if (both([](int64_t s, int64_t t) { return s == 2 * t; })) return conv2d(b, "conv", student[0], teacher[0], 3, 2, 1);
  if (both([](int64_t s, int64_t t) { return 2 * s == t; })) return conv_transpose2d(b, "conv", student[0], teacher[0], 4, 2, 1);
  if (both([](int64_t s, int64_t t) { return s >= t; })) return valid_convolution(b, student, teacher);
  throw no_regressor(student, teacher);
}

// Tokens are rows to the linear layer and to the norm behind it.
Layer by_rows(Layer layer) {
  return [layer](const Tensor& x, const Frame& frame) {
    if (x.dim() == 2) return layer(x, frame);
    const Tensor rows = layer(x.flatten(0, 1), frame);
    return rows.view({x.size(0), x.size(1), rows.size(1)});
  };
}

}  // namespace

std::vector<std::string> stage_taps(const std::vector<std::string>& taps) {
  std::vector<std::string> stages;
  for (const std::string& name : taps) {
    const size_t digits = name.find_first_of("0123456789");
    const bool counted = digits != std::string::npos && digits > 0 && name.find_first_not_of("0123456789", digits) == std::string::npos;
    if (counted) stages.push_back(name);
  }
  return stages;
}

std::string middle_stage(const std::vector<std::string>& taps) {
  const auto stages = stage_taps(taps);
  return stages.empty() ? "embedding" : stages[(stages.size() - 1) / 2];
}

Net hint_regressor(const Shape& student, const Shape& teacher, bool relu_behind, Seed seed) {
  const size_t rank = student.size();
  if (rank != teacher.size() || rank < 1 || rank > 3 || (rank == 2 && student[0] != teacher[0])) throw no_regressor(student, teacher);
  NetBuilder b(seed);
  const int64_t channels = rank == 3 ? teacher.front() : teacher.back();
  std::vector<Layer> layers = {rank == 3 ? map_layer(b, student, teacher) : linear(b, "linear", student.back(), channels),
                               batch_norm(b, "norm", channels)};
  if (relu_behind) layers.push_back(relu());
  b.block("regressor", rank == 3 ? chain(std::move(layers)) : by_rows(chain(std::move(layers))));
  return b.finish({{"arch", "hint regressor"}}, student, 0);
}

Net linear_embedding(const Shape& shape, int64_t dim, Seed seed) {
  NetBuilder b(seed);
  const Layer project = linear(b, "linear", shape.size() == 3 ? shape.front() : shape.back(), dim);
  b.block("embedding", [project](const Tensor& x, const Frame& frame) { return losses::unit_rows(project(losses::pooled(x), frame)); });
  return b.finish({{"arch", "linear embedding"}}, shape, dim);
}

Net prototype_head(int64_t width, const std::vector<int64_t>& hidden, int64_t bottleneck, int64_t prototypes, bool unit_prototypes,
                   Seed seed) {
  if (prototypes < 2) throw ConfigError(fmt::format("a head of {} prototypes compares nothing", prototypes), "at least 2");
  const Init init = truncated_normal(0.02);
  NetBuilder b(seed);
  std::vector<Layer> layers;
  int64_t at_width = width;
  for (size_t i = 0; i < hidden.size(); ++i) {
    layers.push_back(linear_init(b, fmt::format("mlp.{}", i), at_width, hidden[i], init));
    layers.push_back(gelu());
    at_width = hidden[i];
  }
  layers.push_back(linear_init(b, "bottleneck", at_width, bottleneck, init));
  b.block("bottleneck", chain(std::move(layers)));
  const Slot rows = b.param("prototypes.weight", {prototypes, bottleneck}, init);
  b.block("prototypes", [=](const Tensor& x, const Frame& frame) {
    return losses::prototype_logits(losses::unit_rows(x), frame.params[rows], unit_prototypes);
  });
  return b.finish({{"arch", "prototype head"}}, {width}, prototypes);
}

Net gelu_mlp(const Shape& from, int64_t hidden, int64_t to, Seed seed) {
  const Init init = truncated_normal(0.02);
  NetBuilder b(seed);
  b.block("projector", chain({linear_init(b, "linear1", from.back(), hidden, init), gelu(), linear_init(b, "linear2", hidden, to, init)}));
  return b.finish({{"arch", "mlp projector"}}, from, 0);
}

}  // namespace retort

// MobileNetV2 at half width for small images, as the CIFAR distillation suites have it (Sandler et al. 2018; ReLU in the place of ReLU6).
//
// Small images: the stem halves its map only when 14x14 pixels remain, later stages when 2x2 remain.
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

struct Group {
  int64_t expand, channels, units, stride, stage;
};
constexpr Group kGroups[] = {{1, 16, 1, 1, 1}, {6, 24, 2, 1, 1},  {6, 32, 3, 2, 2}, {6, 64, 4, 2, 3},
                             {6, 96, 3, 1, 3}, {6, 160, 3, 2, 4}, {6, 320, 1, 1, 4}};
constexpr int64_t kLast = 1280;

// 1x1 expand, 3x3 depthwise, 1x1 project; a shortcut where the shape stays.
Layer inverted_residual(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t expand, int64_t stride) {
  const int64_t hidden = in * expand;
  std::vector<Layer> layers;
  int64_t module = 0;
  if (expand > 1) {
    layers.push_back(conv_bn(b, name + ".conv.0.0", name + ".conv.0.1", in, hidden, 1, 1, 0, 1, kaiming_normal(hidden)));
    layers.push_back(relu());
    module = 1;
  }
  const std::string conv = fmt::format("{}.conv.{}", name, module);
  layers.push_back(conv_bn(b, conv + ".0", conv + ".1", hidden, hidden, 3, stride, 1, hidden, kaiming_normal(9 * hidden)));
  layers.push_back(relu());
  layers.push_back(conv_bn(b, fmt::format("{}.conv.{}", name, module + 1), fmt::format("{}.conv.{}", name, module + 2), hidden, out, 1, 1,
                           0, 1, kaiming_normal(out)));
  const Layer body = chain(std::move(layers));
  if (in != out || stride != 1) return body;
  return [body](const Tensor& x, const Frame& frame) { return body(x, frame).add_(x); };
}

std::optional<Net> make_mobilenet(const NetRequest& request) {
  NameReader name(request.name);
  double factor = 1;
  if (!name.text("mobilenetv2-small") || !name.factor(factor) || !name.end()) return {};
  factor *= 0.5;

  Map map = image_map(request);
  NetBuilder b(request.seed);
  const int64_t stem = scaled(32, factor);
  const int64_t stem_stride = map.halve(14) ? 2 : 1;
  b.block("stem",
          chain({conv_bn(b, "features.0.0", "features.0.1", map.channels, stem, 3, stem_stride, 1, 1, kaiming_normal(9 * stem)), relu()}));
  map.channels = stem;
  int64_t module = 1;
  std::vector<Layer> layers;
  for (const Group& group : kGroups) {
    const int64_t width = scaled(group.channels, factor);
    for (int64_t i = 0; i < group.units; ++i) {
      const int64_t stride = group.stride == 2 && i == 0 && map.halve(2) ? 2 : 1;
      layers.push_back(inverted_residual(b, fmt::format("features.{}", module++), map.channels, width, group.expand, stride));
      map.channels = width;
    }
    const bool stage_ends = &group == std::end(kGroups) - 1 || (&group)[1].stage != group.stage;
    if (stage_ends) b.block(fmt::format("stage{}", group.stage), chain(std::exchange(layers, {})));
  }
  const int64_t last = std::max(kLast, scaled(kLast, factor));
  const std::string head = fmt::format("features.{}", module);
  b.block("head", chain({conv_bn(b, head + ".0", head + ".1", map.channels, last, 1, 1, 0, 1, kaiming_normal(last)), relu()}));
  b.tap("embedding");
  b.block("pool", [pool = global_average_pool()](const Tensor& x, const Frame& frame) { return frame.tap("embedding", pool(x, frame)); });
  b.block("logits", linear_init(b, "classifier.1", last, request.outputs, {Init::Kind::normal, 0.01}));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family mobilenet_family() {
  return {"mobilenetv2-small", "mobilenetv2-small[xW]", "MobileNetV2 at half width for small images", make_mobilenet};
}

}  // namespace retort

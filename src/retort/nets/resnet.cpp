// CIFAR-style residual nets of 6n+2 layers (He et al. 2016), as the CIFAR distillation suites have them: 1x1 convolutions on shortcuts that
// change shape (option B), widths 16-32-64. A widened net (xW, W > 1) keeps half its first stage's width in the stem: resnet8x4 is 32-64-128-256.
//
// Small images: a stage halves its map only when 4x4 pixels remain.
#include "retort/base/error.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

Layer residual_unit(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t stride) {
  const Init init = kaiming_normal(9 * out);
  const Layer first = conv_bn(b, name + ".conv1", name + ".bn1", in, out, 3, stride, 1, 1, init);
  const Layer second = conv_bn(b, name + ".conv2", name + ".bn2", out, out, 3, 1, 1, 1, init);
  if (in == out && stride == 1) {
    return [=](const Tensor& x, const Frame& frame) { return second(first(x, frame).relu_(), frame).add_(x).relu_(); };
  }
  const Layer shortcut = conv_bn(b, name + ".downsample.0", name + ".downsample.1", in, out, 1, stride, 0, 1, kaiming_normal(out));
  return [=](const Tensor& x, const Frame& frame) { return second(first(x, frame).relu_(), frame).add_(shortcut(x, frame)).relu_(); };
}

std::optional<Net> make_resnet(const NetRequest& request) {
  NameReader name(request.name);
  int64_t depth = 0;
  double factor = 1;
  if (!name.text("resnet") || !name.whole(depth) || !name.factor(factor) || !name.end()) return {};
  if (depth < 8 || depth % 6 != 2) {
    throw ConfigError(fmt::format("net '{}': the depth must be 6n+2", request.name),
                      fmt::format("the nearest is resnet{}", std::max<int64_t>(8, (depth - 2 + 3) / 6 * 6 + 2)));
  }
  Map map = image_map(request);
  NetBuilder b(request.seed);
  const int64_t units = (depth - 2) / 6;
  const int64_t stem = scaled(factor > 1 ? 8 : 16, factor);
  b.block("stem", chain({conv_bn(b, "conv1", "bn1", map.channels, stem, 3, 1, 1, 1, kaiming_normal(9 * stem)), relu()}));
  map.channels = stem;
  for (int64_t stage = 1; stage <= 3; ++stage) {
    const int64_t width = scaled(int64_t{8} << stage, factor);
    std::vector<Layer> chained;
    for (int64_t i = 0; i < units; ++i) {
      const int64_t stride = stage > 1 && i == 0 && map.halve(4) ? 2 : 1;
      chained.push_back(residual_unit(b, fmt::format("layer{}.{}", stage, i), map.channels, width, stride));
      map.channels = width;
    }
    b.block(fmt::format("stage{}", stage), chain(std::move(chained)));
  }
  b.tap("embedding");
  b.block("pool", [pool = global_average_pool()](const Tensor& x, const Frame& frame) { return frame.tap("embedding", pool(x, frame)); });
  b.block("logits", linear(b, "fc", map.channels, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family resnet_family() {
  return {"resnet", "resnetDEPTH[xW]", "CIFAR-style residual net of 6n+2 layers with a width factor, as in resnet20x0.5", make_resnet};
}

}  // namespace retort

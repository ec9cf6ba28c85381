// VGG-8 and VGG-13 with batch-norm for small images, as the CIFAR distillation suites have them: five stages of 64-128-256-512-512 channels,
// max-pools between them, global average pool, one linear layer.
//
// Small images: a pool is left out unless 4x4 pixels remain (so 32x32 images meet three of the four).
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

std::optional<Net> make_vgg(const NetRequest& request) {
  NameReader name(request.name);
  int64_t depth = 0;
  double factor = 1;
  if (!name.text("vgg") || !name.whole(depth) || (depth != 8 && depth != 13) || !name.factor(factor) || !name.end()) return {};
  const int64_t convs = depth == 8 ? 1 : 2;

  Map map = image_map(request);
  NetBuilder b(request.seed);
  int64_t stage = 0, module = 0;
  for (const int64_t channels : {64, 128, 256, 512, 512}) {
    const int64_t width = scaled(channels, factor);
    std::vector<Layer> layers;
    if (stage > 0 && map.halve(4)) {
      layers.push_back(max_pool(2));
      ++module;
    }
    for (int64_t i = 0; i < convs; ++i) {
      layers.push_back(conv_bn(b, fmt::format("features.{}", module), fmt::format("features.{}", module + 1), map.channels, width, 3, 1, 1,
                               1, kaiming_normal(9 * width)));
      layers.push_back(relu());
      module += 3;
      map.channels = width;
    }
    b.block(fmt::format("stage{}", ++stage), chain(std::move(layers)));
  }
  b.tap("embedding");
  b.block("pool", [pool = global_average_pool()](const Tensor& x, const Frame& frame) { return frame.tap("embedding", pool(x, frame)); });
  b.block("logits", linear_init(b, "classifier", map.channels, request.outputs, {Init::Kind::normal, 0.01}));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family vgg_family() { return {"vgg", "vgg8[xW], vgg13[xW]", "VGG with batch norm for small images", make_vgg}; }

}  // namespace retort

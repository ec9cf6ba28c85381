// Wide residual nets (Zagoruyko and Komodakis 2016): pre-activation units, 6n+4 layers, widths 16-16k-32k-64k.
//
// Small images: a stage halves its map only when 4x4 pixels remain.
#include "retort/base/error.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

Layer wide_unit(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t stride) {
  const Init init = kaiming_normal(9 * out);
  const Layer norm = batch_norm(b, name + ".bn1", in);
  const Layer first = conv_bn(b, name + ".conv1", name + ".bn2", in, out, 3, stride, 1, 1, init);
  const Layer second = conv2d(b, name + ".conv2", out, out, 3, 1, 1, 1, /*bias=*/false, init);
  if (in == out) {
    return [=](const Tensor& x, const Frame& frame) { return second(first(norm(x, frame).relu_(), frame).relu_(), frame).add_(x); };
  }
  const Layer shortcut = conv2d(b, name + ".downsample", in, out, 1, stride, 0, 1, /*bias=*/false, kaiming_normal(out));
  return [=](const Tensor& x, const Frame& frame) {
    const Tensor active = norm(x, frame).relu_();
    return second(first(active, frame).relu_(), frame).add_(shortcut(active, frame));
  };
}

std::optional<Net> make_wrn(const NetRequest& request) {
  NameReader name(request.name);
  int64_t depth = 0;
  double factor = 1;
  if (!name.text("wrn-") || !name.whole(depth) || !name.text("-") || !name.number(factor) || !name.end()) return {};
  if (depth < 10 || depth % 6 != 4) {
    throw ConfigError(fmt::format("net '{}': the depth must be 6n+4", request.name),
                      fmt::format("the nearest is wrn-{}", std::max<int64_t>(10, (depth - 4 + 3) / 6 * 6 + 4)));
  }
  Map map = image_map(request);
  NetBuilder b(request.seed);
  const int64_t units = (depth - 4) / 6;
  b.block("stem", conv2d(b, "conv1", map.channels, 16, 3, 1, 1, 1, /*bias=*/false, kaiming_normal(9 * 16)));
  map.channels = 16;
  for (int64_t stage = 1; stage <= 3; ++stage) {
    const int64_t width = scaled(int64_t{8} << stage, factor);
    std::vector<Layer> chained;
    for (int64_t i = 0; i < units; ++i) {
      const int64_t stride = stage > 1 && i == 0 && map.halve(4) ? 2 : 1;
      chained.push_back(wide_unit(b, fmt::format("layer{}.{}", stage, i), map.channels, width, stride));
      map.channels = width;
    }
    b.block(fmt::format("stage{}", stage), chain(std::move(chained)));
  }
  b.tap("embedding");
  const Layer pool = chain({batch_norm(b, "bn1", map.channels), relu(), global_average_pool()});
  b.block("pool", [pool](const Tensor& x, const Frame& frame) { return frame.tap("embedding", pool(x, frame)); });
  b.block("logits", linear(b, "fc", map.channels, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family wrn_family() { return {"wrn", "wrn-DEPTH-WIDEN", "wide residual net of 6n+4 layers, as in wrn-16-2", make_wrn}; }

}  // namespace retort

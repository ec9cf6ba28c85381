// Two plain convolutional nets: the ConvNet of the data set distillation literature, and a small conv-bn-relu-pool classifier.
//
// Small images: a pool is left out where it would leave a single pixel to a norm behind it (instance norm of one pixel is zero).
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

// Depth x [3x3 conv, instance norm, ReLU, 2x2 average pool], then a linear layer on the flattened map (Zhao et al. 2020, arXiv 2006.05929).
std::optional<Net> make_convnet(const NetRequest& request) {
  NameReader name(request.name);
  int64_t depth = 0, width = 0;
  double beta = 0;
  std::string norm = "instance";
  if (!name.text("convnet-") || !name.whole(depth) || !name.text("x") || !name.whole(width)) return {};
  while (!name.end()) {
    if (name.text("-bn"))
      norm = "batch";
    else if (name.text("-nonorm"))
      norm = "none";
    else if (!name.text("-softplus") || (!name.end() && !name.number(beta) && !NameReader(name).text("-")))
      return {};
    else if (beta == 0)
      beta = 1;
  }

  Map map = image_map(request);
  NetBuilder b(request.seed);
  int64_t module = 0;
  for (int64_t i = 0; i < depth; ++i) {
    const std::string conv = fmt::format("features.{}", module++), norm_name = fmt::format("features.{}", module);
    std::vector<Layer> layers;
    if (norm == "batch") {
      layers.push_back(conv_bn(b, conv, norm_name, map.channels, width, 3, 1, 1));
    } else {
      layers.push_back(conv2d(b, conv, map.channels, width, 3, 1, 1));
      if (norm == "instance") layers.push_back(group_norm(b, norm_name, width, width));
    }
    layers.push_back(beta > 0 ? softplus(beta) : relu());
    module += norm == "none" ? 2 : 3;
    const int64_t least = i + 1 < depth ? 2 : 1, side = std::min(map.height, map.width);
    if (side / 2 >= least) {
      layers.push_back(average_pool(2));
      map.height /= 2;
      map.width /= 2;
    }
    map.channels = width;
    b.block(fmt::format("stage{}", i + 1), chain(std::move(layers)));
  }
  b.block("embedding", flatten());
  b.block("logits", linear(b, "classifier", map.channels * map.height * map.width, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

std::optional<Net> make_cnn(const NetRequest& request) {
  NameReader name(request.name);
  std::vector<int64_t> widths;
  if (!name.text("cnn")) return {};
  while (!name.end()) {
    if (!name.text("-") || !name.whole(widths.emplace_back())) return {};
  }
  if (widths.empty()) return {};

  Map map = image_map(request);
  NetBuilder b(request.seed);
  int64_t module = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    std::vector<Layer> layers = {
        conv_bn(b, fmt::format("features.{}", module), fmt::format("features.{}", module + 1), map.channels, widths[i], 3, 1, 1), relu()};
    if (map.halve(2)) layers.push_back(max_pool(2));
    module += 4;
    map.channels = widths[i];
    b.block(fmt::format("stage{}", i + 1), chain(std::move(layers)));
  }
  b.block("embedding", global_average_pool());
  b.block("logits", linear(b, "classifier", map.channels, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family convnet_family() {
  return {"convnet", "convnet-DEPTHxWIDTH[-bn|-nonorm][-softplusB]",
          "conv, instance norm, ReLU, average pool; the net of data set distillation, as in convnet-3x64", make_convnet};
}
Family cnn_family() {
  return {"cnn", "cnn-WIDTH-WIDTH…", "one 3x3 conv, batch norm, ReLU and max-pool a width, as in cnn-16-32", make_cnn};
}

}  // namespace retort

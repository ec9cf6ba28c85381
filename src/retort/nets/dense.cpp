#include "retort/nets/dense.h"

#include "retort/base/error.h"
#include "retort/losses/boxes.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

constexpr double kRare = -4.0;  // first logit of every class: nearly all locations are background

struct DensePlan {
  std::array<int64_t, 3> widths{};
  bool coarse_only = false;
};

DensePlan read_plan(const std::string& text) {
  NameReader name(text);
  DensePlan plan;
  bool right = name.text("dense");
  for (int64_t& width : plan.widths) right = right && name.text("-") && name.whole(width);
  plan.coarse_only = right && name.text("-s8");
  if (right && name.end()) return plan;
  throw ConfigError(fmt::format("no detector is called '{}'", text), "detectors are dense-W-W-W, as in dense-6-10-14, and dense-W-W-W-s8");
}

Layer conv_relu(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t stride) {
  return chain({conv_bn(b, name, name + ".bn", in, out, 3, stride, 1), relu()});
}

// A 1x1 convolution whose first `classes` outputs begin at kRare.
Layer predictions(NetBuilder& b, int64_t in, int64_t classes) {
  const Layer scores = conv2d(b, "head.scores", in, classes, 1, 1, 0, 1, /*bias=*/false, Init{Init::Kind::normal, 0.01});
  const Slot start = b.param("head.scores.bias", {classes}, {Init::Kind::constant, kRare});
  const Layer sides = conv2d(b, "head.sides", in, 4, 1);
  return [=](const Tensor& x, const Frame& frame) {
    return at::cat({scores(x, frame) + frame.params[start].view({1, -1, 1, 1}), sides(x, frame)}, 1);
  };
}

Tensor as_rows(const Tensor& map) { return map.permute({0, 2, 3, 1}).flatten(1, 2); }

int64_t halved(int64_t side) { return (side + 1) / 2; }

}  // namespace

Net make_dense_net(const std::string& name, const std::vector<int64_t>& input_shape, int64_t classes, Seed seed) {
  const DensePlan plan = read_plan(name);
  const NetRequest request{name, input_shape, classes + 4, seed};
  if (classes < 1) throw ConfigError(fmt::format("net '{}': {} classes, expected at least 1", name, classes));
  const auto [low, middle, high] = plan.widths;
  NetBuilder b(seed);
  b.block("stage1", conv_relu(b, "stage1.conv1", image_map(request).channels, low, 2));
  b.block("stage2", chain({conv_relu(b, "stage2.conv1", low, middle, 2), conv_relu(b, "stage2.conv2", middle, middle, 1)}));
  const Layer stage3 = chain({conv_relu(b, "stage3.conv1", middle, high, 2), conv_relu(b, "stage3.conv2", high, high, 1)});
  const Layer across3 = conv2d(b, "across3", high, high, 1),
              head = chain({conv_relu(b, "head.conv", high, high, 1), predictions(b, high, classes)});
  const Layer across2 = plan.coarse_only ? Layer() : conv2d(b, "across2", middle, high, 1);
  b.tap("stage3");
  b.block("dense", [=](const Tensor& x, const Frame& frame) {
    const Tensor coarse = across3(frame.tap("stage3", stage3(x, frame)), frame);
    const Tensor below = as_rows(head(coarse, frame));
    if (!across2) return below;
    const Tensor fine = across2(x, frame) + at::upsample_nearest2d(coarse, {x.size(2), x.size(3)});
    return at::cat({as_rows(head(fine, frame)), below}, 1);
  });
  nlohmann::json spec = request.spec();
  spec["detects"] = classes;
  return b.finish(spec, input_shape, /*outputs=*/0);
}

int64_t detected_classes(const Net& net) { return net.spec().value("detects", int64_t{0}); }

DenseGrid dense_grid(const Net& net) {
  if (detected_classes(net) == 0)
    throw ConfigError(fmt::format("{} decides about whole images; it has no locations", net.spec().value("arch", "the net")),
                      "detectors are dense-W-W-W");
  const DensePlan plan = read_plan(net.spec().at("arch").get<std::string>());
  int64_t height = halved(net.input_shape()[1]), width = halved(net.input_shape()[2]);
  DenseGrid grid;
  Tensors centres, strides;
  for (int64_t stride = 4, first = 0; stride <= 8; stride *= 2) {
    height = halved(height), width = halved(width);
    if (plan.coarse_only && stride == 4) continue;
    const Tensor y = (at::arange(height, at::kFloat) + 0.5) * static_cast<double>(stride),
                 x = (at::arange(width, at::kFloat) + 0.5) * static_cast<double>(stride);
    const auto mesh = at::meshgrid({y, x}, "ij");
    centres.push_back(at::stack({mesh[1].flatten(), mesh[0].flatten()}, 1));
    strides.push_back(at::full({height * width, 1}, stride, at::kFloat));
    grid.levels.push_back({first, height * width, stride});
    first += height * width;
  }
  const at::Device device = net.params().front().device();
  grid.centres = at::cat(centres).to(device);
  grid.strides = at::cat(strides).to(device);
  return grid;
}

DenseOutput read_dense(const Tensor& raw, const DenseGrid& grid) {
  const int64_t classes = raw.size(2) - 4;
  return {raw.slice(2, 0, classes), losses::boxes_around(grid.centres, at::softplus(raw.slice(2, classes)) * grid.strides)};
}

}  // namespace retort

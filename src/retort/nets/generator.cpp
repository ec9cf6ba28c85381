#include "retort/nets/generator.h"

#include "retort/base/error.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

constexpr double kSlope = 0.2, kDropped = 0.25;
const Init kNormal{Init::Kind::normal, 0.02};

Layer leaky_relu() {
  return [](const Tensor& x, const Frame&) { return at::leaky_relu(x, kSlope); };
}
Layer map_dropout() {
  return [](const Tensor& x, const Frame& frame) { return frame.training ? at::feature_dropout(x, kDropped, true) : x; };
}
Layer enlarged(int64_t height, int64_t width) {
  return [height, width](const Tensor& x, const Frame&) { return at::upsample_nearest2d(x, {height, width}); };
}
Layer as_maps(int64_t channels, int64_t height, int64_t width) {
  return [=](const Tensor& x, const Frame&) { return x.view({x.size(0), channels, height, width}); };
}

void check_image(const std::vector<int64_t>& image) {
  if (image.size() != 3)
    throw ConfigError(fmt::format("a generator makes images [channels, height, width]; the inputs are [{}]", fmt::join(image, ", ")),
                      "take data of images");
}

int64_t halved(int64_t side) { return (side + 1) / 2; }

// The scales of norms start at 1; they are to start at N(1, 0.02).
Net with_drawn_norms(Net net, Seed seed) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < net.params().size(); ++i) {
    const std::string& name = net.param_names()[i];
    if (name.find("norm") == std::string::npos || name.find(".weight") == std::string::npos) continue;
    Tensor scale = net.params()[i];
    scale.add_(at::empty_like(scale).normal_(0, 0.02, seed.stream(name).generator()));
  }
  return net;
}

}  // namespace

Net image_generator(const GeneratorPlan& plan, Seed seed) {
  check_image(plan.image);
  if (plan.code < 1 || plan.width < 2)
    throw ConfigError(fmt::format("a generator of codes of {} and width {}: expected at least 1 and 2", plan.code, plan.width));
  const int64_t wide = plan.width, narrow = plan.width / 2, height = plan.image[1], width = plan.image[2];
  const int64_t half_height = halved(height), half_width = halved(width), first_height = halved(half_height),
                first_width = halved(half_width);
  NetBuilder b(seed);
  const int64_t numbers = wide * first_height * first_width;
  const Layer start = plan.normal_linear ? linear_init(b, "start", plan.code, numbers, kNormal) : linear(b, "start", plan.code, numbers);
  b.block("maps", chain({start, as_maps(wide, first_height, first_width), batch_norm(b, "norm0", wide)}));
  b.block("half", chain({enlarged(half_height, half_width), conv_bn(b, "conv1", "norm1", wide, wide, 3, 1, 1, 1, kNormal), leaky_relu()}));
  b.block("whole", chain({enlarged(height, width), conv_bn(b, "conv2", "norm2", wide, narrow, 3, 1, 1, 1, kNormal), leaky_relu()}));
  const Layer last = plan.centred ? tanh() : Layer([](const Tensor& x, const Frame&) { return at::sigmoid(x); });
  b.block("image", chain({conv2d(b, "conv3", narrow, plan.image[0], 3, 1, 1, 1, true, kNormal), last}));
  return with_drawn_norms(b.finish({{"arch", "image generator"}, {"width", wide}}, {plan.code}, 0), seed.stream("norms"));
}

Net image_discriminator(const std::vector<int64_t>& image, int64_t width, Seed seed) {
  check_image(image);
  if (width < 1) throw ConfigError(fmt::format("a discriminator of width {}: expected at least 1", width));
  NetBuilder b(seed);
  int64_t channels = image[0], high = image[1], wide = image[2];
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t next = width << i;
    b.block(fmt::format("stage{}", i + 1),
            chain({conv2d(b, fmt::format("conv{}", i + 1), channels, next, 3, 2, 1, 1, true, kNormal), leaky_relu(), map_dropout()}));
    channels = next, high = halved(high), wide = halved(wide);
  }
  b.block("embedding", flatten());
  b.block("logits", linear(b, "decision", channels * high * wide, 1));
  return b.finish({{"arch", "image discriminator"}, {"width", width}}, image, 1);
}

}  // namespace retort

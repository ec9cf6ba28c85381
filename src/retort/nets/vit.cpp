// Vision transformers (Dosovitskiy et al. 2021): pre-norm encoder over a class token and patch tokens, with torchvision's parameter names.
//
// Tap "blockK" is [tokens, width], token 0 the class token; "embedding" is the normed class token. vit-tiny is 6 layers of width 192 with the
// smallest patch of 2 or more pixels that leaves at most 8x8 patches: 4 for 32x32 and 28x28, 2 for 14x14 and 8x8. -hN and -fN set the number of heads and of
// feed-forward units of every block, which pruned nets have fewer of; a head keeps its channels.
//
// "-distilled" (DeiT, Touvron et al. 2021): token 1 is a distillation token with a head of its own; logits are the mean of both heads, which are the
// taps "class_logits" and "distillation_logits".
#include "retort/base/error.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

struct VitPlan {
  int64_t depth = 6, width = 192, patch = 0, kept_heads = 0, kept_units = 0;
  bool distilled = false;
  int64_t full_heads() const { return width >= 192 ? width / 64 : std::max<int64_t>(1, width / 16); }  // of 64 channels; narrow nets of 16
  int64_t head_width() const { return width / full_heads(); }
  int64_t heads() const { return kept_heads > 0 ? kept_heads : full_heads(); }
  int64_t units() const { return kept_units > 0 ? kept_units : 4 * width; }
};

ConfigError bad_plan(const NetRequest& request, const std::string& why) {
  return ConfigError(fmt::format("net '{}' on [{}]: {}", request.name, fmt::join(request.input, ","), why),
                     "vit-DEPTHxWIDTHpPATCH[-distilled] wants a patch that divides both sides and a width of whole heads (16 channels "
                     "each, 64 from width 192 on)");
}

std::optional<VitPlan> read_plan(const NetRequest& request) {
  NameReader name(request.name);
  VitPlan plan;
  if (!name.text("vit-")) return {};
  if (!name.text("tiny") &&
      (!name.whole(plan.depth) || !name.text("x") || !name.whole(plan.width) || !name.text("p") || !name.whole(plan.patch)))
    return {};
  if (name.text("-h") && !name.whole(plan.kept_heads)) return {};
  if (name.text("-f") && !name.whole(plan.kept_units)) return {};
  plan.distilled = name.text("-distilled");
  if (!name.end()) return {};

  const Map map = image_map(request);
  const int64_t side = std::max(map.height, map.width);
  if (plan.patch == 0) {
    for (plan.patch = 2; plan.patch < side && (side > 8 * plan.patch || map.height % plan.patch || map.width % plan.patch);) ++plan.patch;
  }
  if (map.height % plan.patch || map.width % plan.patch)
    throw bad_plan(request, fmt::format("patches of {} pixels do not tile the image", plan.patch));
  if (plan.width % plan.full_heads()) throw bad_plan(request, fmt::format("width {} is not made of whole heads", plan.width));
  return plan;
}

// softmax(q k^T / sqrt(d)) v over all tokens, in heads of d channels. [b,t,w] -> [b,t,w]
Layer self_attention(NetBuilder& b, const std::string& name, int64_t width, int64_t heads, int64_t d) {
  const Init init = truncated_normal(0.02);
  const int64_t inner = heads * d;
  const Slot w = b.param(name + ".in_proj_weight", {3 * inner, width}, init), c = b.param(name + ".in_proj_bias", {3 * inner}, Init{});
  const Layer out = linear_init(b, name + ".out_proj", inner, width, init);
  return [=](const Tensor& x, const Frame& frame) {
    const int64_t batch = x.size(0), tokens = x.size(1);
    const Tensor qkv = at::linear(x, frame.params[w], frame.params[c])
                           .view({batch, tokens, 3, heads, d})
                           .permute({2, 0, 3, 1, 4})
                           .reshape({3, batch * heads, tokens, d});
    const std::vector<Tensor> parts = qkv.unbind(0);
    const Tensor scores = at::baddbmm(at::zeros({1}, x.options()), parts[0], parts[1].transpose(1, 2), /*beta=*/0,
                                      /*alpha=*/1 / std::sqrt(static_cast<double>(d)));
    const Tensor mixed = at::bmm(at::softmax(scores, -1), parts[2]);
    return out(mixed.view({batch, heads, tokens, d}).transpose(1, 2).reshape({batch, tokens, inner}), frame);
  };
}

Layer encoder_layer(NetBuilder& b, const std::string& name, const VitPlan& plan) {
  const Init init = truncated_normal(0.02);
  const int64_t width = plan.width;
  const Layer attend = chain(
      {layer_norm(b, name + ".ln_1", width, 1e-6), self_attention(b, name + ".self_attention", width, plan.heads(), plan.head_width())});
  const Layer think = chain({layer_norm(b, name + ".ln_2", width, 1e-6), linear_init(b, name + ".mlp.0", width, plan.units(), init), gelu(),
                             linear_init(b, name + ".mlp.3", plan.units(), width, init)});
  return [=](const Tensor& x, const Frame& frame) {
    const Tensor y = x + attend(x, frame);
    return y + think(y, frame);
  };
}

std::optional<Net> make_vit(const NetRequest& request) {
  const auto plan = read_plan(request);
  if (!plan) return {};
  const Map map = image_map(request);
  const int64_t width = plan->width, patches = map.height / plan->patch * (map.width / plan->patch);
  NetBuilder b(request.seed);
  const Slot cls = b.param("class_token", {1, 1, width}, truncated_normal(0.02));
  const Layer project = conv2d(b, "conv_proj", map.channels, width, plan->patch, plan->patch, 0, 1, true,
                               truncated_normal(std::sqrt(1.0 / static_cast<double>(map.channels * plan->patch * plan->patch))));
  const bool distilled = plan->distilled;
  const int64_t heads = distilled ? 2 : 1;
  const Slot position = b.param("encoder.pos_embedding", {1, patches + heads, width}, truncated_normal(0.02));
  const Slot second = distilled ? b.param("distillation_token", {1, 1, width}, truncated_normal(0.02)) : cls;
  b.block("tokens", [=](const Tensor& x, const Frame& frame) {
    const Tensor patch_tokens = project(x, frame).flatten(2).transpose(1, 2);
    Tensors tokens = {frame.params[cls].expand({x.size(0), 1, width})};
    if (distilled) tokens.push_back(frame.params[second].expand({x.size(0), 1, width}));
    tokens.push_back(patch_tokens);
    return at::cat(tokens, 1) + frame.params[position];
  });
  for (int64_t i = 0; i < plan->depth; ++i) {
    b.block(fmt::format("block{}", i + 1), encoder_layer(b, fmt::format("encoder.layers.encoder_layer_{}", i), *plan));
  }
  const Layer norm = layer_norm(b, "encoder.ln", width, 1e-6),
              head = linear_init(b, "heads.head", width, request.outputs, truncated_normal(0.02));
  if (distilled) {
    for (const char* name : {"embedding", "class_logits", "distillation_logits"}) b.tap(name);
    b.block("norm", [norm](const Tensor& x, const Frame& frame) {
      const Tensor normed = norm(x.narrow(1, 0, 2), frame);
      frame.tap("embedding", normed.select(1, 0));
      return normed;
    });
    b.block("logits", [head, other = linear_init(b, "heads.distillation", width, request.outputs, truncated_normal(0.02))](
                          const Tensor& x, const Frame& frame) {
      return (frame.tap("class_logits", head(x.select(1, 0), frame)) + frame.tap("distillation_logits", other(x.select(1, 1), frame))) / 2;
    });
  } else {
    b.block("embedding", [norm](const Tensor& x, const Frame& frame) { return norm(x.select(1, 0), frame); });
    b.block("logits", head);
  }
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family vit_family() {
  return {"vit", "vit-tiny, vit-DEPTHxWIDTHpPATCH[-hHEADS][-fUNITS][-distilled]",
          "vision transformer with a class token, as in vit-4x64p4, and with a distillation token where asked for", make_vit};
}

}  // namespace retort

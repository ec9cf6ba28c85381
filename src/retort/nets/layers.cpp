#include "retort/nets/layers.h"

namespace retort {
namespace {

struct Affine {
  Slot weight, bias;
};
struct Norm {
  Slot weight, bias, mean, variance;
  double eps, momentum;
};

Norm declare_norm(NetBuilder& b, const std::string& name, int64_t channels, double eps, double momentum) {
  return {b.param(name + ".weight", {channels}, {Init::Kind::ones}),
          b.param(name + ".bias", {channels}, {Init::Kind::zeros}),
          b.buffer(name + ".running_mean", {channels}, 0),
          b.buffer(name + ".running_var", {channels}, 1),
          eps,
          momentum};
}

Tensor run_norm(const Norm& norm, const Tensor& x, const Frame& frame) {
  return at::batch_norm(x, frame.params[norm.weight], frame.params[norm.bias], frame.buffers[norm.mean], frame.buffers[norm.variance],
                        frame.training, norm.momentum, norm.eps, /*cudnn_enabled=*/true);
}

// y = g (Wx - mean) / sqrt(var + eps) + beta  =  (W g/sqrt(var + eps)) x + (beta - mean g/sqrt(var + eps))
FoldRule fold_rule(Slot weight, const Norm& norm) {
  return [=](const Tensors& params, const Tensors& buffers) {
    const Tensor scale = params[norm.weight] / (buffers[norm.variance] + norm.eps).sqrt();
    std::vector<int64_t> per_output(params[weight].dim(), 1);
    per_output[0] = -1;
    return std::make_pair(params[weight] * scale.reshape(per_output), params[norm.bias] - buffers[norm.mean] * scale);
  };
}

// Convolutions read channels-last maps: from others libtorch's CPU kernels take paths up to ten times slower, and the layers between keep the
// layout, so only the first one of a net converts. A single channel looks the same both ways and needs its strides told apart.
Tensor channels_last(const Tensor& x) {
  if (x.dim() != 4 || x.suggest_memory_format() == at::MemoryFormat::ChannelsLast) return x;
  if (x.size(1) == 1) return x.reshape({x.size(0), x.size(2), x.size(3), 1}).permute({0, 3, 1, 2});
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

Init bias_init(int64_t fan_in, const MaybeInit& weight_init) { return weight_init ? Init{} : kaiming_uniform(fan_in); }

}  // namespace

Layer linear(NetBuilder& b, const std::string& name, int64_t in, int64_t out, bool bias) {
  const Slot w = b.param(name + ".weight", {out, in}, kaiming_uniform(in));
  if (!bias) return [w](const Tensor& x, const Frame& frame) { return at::linear(x, frame.params[w]); };
  const Slot c = b.param(name + ".bias", {out}, kaiming_uniform(in));
  return [w, c](const Tensor& x, const Frame& frame) { return at::linear(x, frame.params[w], frame.params[c]); };
}

Layer linear_init(NetBuilder& b, const std::string& name, int64_t in, int64_t out, Init weight_init, bool bias) {
  const Slot w = b.param(name + ".weight", {out, in}, weight_init);
  if (!bias) return [w](const Tensor& x, const Frame& frame) { return at::linear(x, frame.params[w]); };
  const Slot c = b.param(name + ".bias", {out}, Init{});
  return [w, c](const Tensor& x, const Frame& frame) { return at::linear(x, frame.params[w], frame.params[c]); };
}

Layer conv2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
             int64_t groups, bool bias, MaybeInit weight_init) {
  const int64_t fan_in = in / groups * kernel * kernel;
  const Slot w = b.param(name + ".weight", {out, in / groups, kernel, kernel}, weight_init.value_or(kaiming_uniform(fan_in)));
  if (!bias) {
    return
        [=](const Tensor& x, const Frame& frame) { return at::conv2d(channels_last(x), frame.params[w], {}, stride, padding, 1, groups); };
  }
  const Slot c = b.param(name + ".bias", {out}, bias_init(fan_in, weight_init));
  return [=](const Tensor& x, const Frame& frame) {
    return at::conv2d(channels_last(x), frame.params[w], frame.params[c], stride, padding, 1, groups);
  };
}

Layer conv_transpose2d(NetBuilder& b, const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  const int64_t fan = out * kernel * kernel;  // libtorch counts the second axis of the weight
  const Slot w = b.param(name + ".weight", {in, out, kernel, kernel}, kaiming_uniform(fan));
  const Slot c = b.param(name + ".bias", {out}, kaiming_uniform(fan));
  return [=](const Tensor& x, const Frame& frame) { return at::conv_transpose2d(x, frame.params[w], frame.params[c], stride, padding); };
}

Layer batch_norm(NetBuilder& b, const std::string& name, int64_t channels, double eps, double momentum) {
  const Norm norm = declare_norm(b, name, channels, eps, momentum);
  return [norm](const Tensor& x, const Frame& frame) { return run_norm(norm, x, frame); };
}

Layer conv_bn(NetBuilder& b, const std::string& conv, const std::string& norm_name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
              int64_t padding, int64_t groups, MaybeInit weight_init) {
  const int64_t fan_in = in / groups * kernel * kernel;
  const Slot w = b.param(conv + ".weight", {out, in / groups, kernel, kernel}, weight_init.value_or(kaiming_uniform(fan_in)));
  const Norm norm = declare_norm(b, norm_name, out, 1e-5, 0.1);
  const Slot fold = b.fold(fold_rule(w, norm));
  return [=](const Tensor& x, const Frame& frame) {
    if (frame.folded) {
      return at::conv2d(channels_last(x), (*frame.folded)[2 * fold], (*frame.folded)[2 * fold + 1], stride, padding, 1, groups);
    }
    return run_norm(norm, at::conv2d(channels_last(x), frame.params[w], {}, stride, padding, 1, groups), frame);
  };
}

Layer linear_bn(NetBuilder& b, const std::string& linear, const std::string& norm_name, int64_t in, int64_t out) {
  const Slot w = b.param(linear + ".weight", {out, in}, kaiming_uniform(in));
  const Norm norm = declare_norm(b, norm_name, out, 1e-5, 0.1);
  const Slot fold = b.fold(fold_rule(w, norm));
  return [=](const Tensor& x, const Frame& frame) {
    if (frame.folded) return at::linear(x, (*frame.folded)[2 * fold], (*frame.folded)[2 * fold + 1]);
    return run_norm(norm, at::linear(x, frame.params[w]), frame);
  };
}

Layer layer_norm(NetBuilder& b, const std::string& name, int64_t width, double eps) {
  const Slot w = b.param(name + ".weight", {width}, {Init::Kind::ones}), c = b.param(name + ".bias", {width}, {Init::Kind::zeros});
  return [=](const Tensor& x, const Frame& frame) { return at::layer_norm(x, {width}, frame.params[w], frame.params[c], eps); };
}

Layer group_norm(NetBuilder& b, const std::string& name, int64_t groups, int64_t channels, double eps) {
  const Slot w = b.param(name + ".weight", {channels}, {Init::Kind::ones}), c = b.param(name + ".bias", {channels}, {Init::Kind::zeros});
  return [=](const Tensor& x, const Frame& frame) { return at::group_norm(x, groups, frame.params[w], frame.params[c], eps); };
}

Layer dropout(double p) {
  return [p](const Tensor& x, const Frame& frame) { return frame.training && p > 0 ? at::dropout(x, p, true) : x; };
}

Layer relu() {
  return [](const Tensor& x, const Frame&) { return at::relu_(const_cast<Tensor&>(x)); };
}
Layer gelu() {
  return [](const Tensor& x, const Frame&) { return at::gelu(x); };
}
Layer tanh() {
  return [](const Tensor& x, const Frame&) { return x.tanh_(); };
}
Layer softplus(double beta) {
  return [beta](const Tensor& x, const Frame&) { return at::softplus(x, beta); };
}

Layer max_pool(int64_t size) {
  return [size](const Tensor& x, const Frame&) { return at::max_pool2d(x, size, size, 0, 1, /*ceil_mode=*/true); };
}
Layer average_pool(int64_t size) {
  return [size](const Tensor& x, const Frame&) { return at::avg_pool2d(x, size); };
}
Layer global_average_pool() {
  return [](const Tensor& x, const Frame&) { return x.mean({2, 3}); };
}
Layer flatten() {
  return [](const Tensor& x, const Frame&) { return x.dim() == 2 ? x : x.flatten(1); };
}

Layer chain(std::vector<Layer> layers) {
  return [layers = std::move(layers)](const Tensor& x, const Frame& frame) {
    Tensor y = x;
    for (const Layer& layer : layers) y = layer(y, frame);
    return y;
  };
}

}  // namespace retort

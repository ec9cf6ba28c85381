#include "retort/nets/last_layer.h"

#include "retort/base/error.h"

namespace retort {
namespace {

std::string arch_of(const Net& net) { return net.spec().value("arch", std::string("net")); }

// The same architecture with so many outputs.
Net same_with(const Net& net, int64_t outputs, Seed seed) { return make_net(arch_of(net), net.input_shape(), outputs, seed); }

// Everything but the last layer.
void copy_body(const Net& from, const LastLayer& skip, Net& to) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < from.params().size(); ++i) {
    if (i == skip.weight || i == skip.bias) continue;
    Tensor param = to.params()[i];
    param.copy_(from.params()[i]);
  }
  for (size_t i = 0; i < from.buffers().size(); ++i) {
    Tensor buffer = to.buffers()[i];
    buffer.copy_(from.buffers()[i]);
  }
}

}  // namespace

LastLayer last_layer(const Net& net) {
  const size_t count = net.params().size();
  const int64_t outputs = net.tap_shape("logits").front();
  const auto taps = net.tap_names();
  if (count >= 2 && std::find(taps.begin(), taps.end(), "distillation_logits") == taps.end()) {
    const Tensor &weight = net.params()[count - 2], &bias = net.params()[count - 1];
    if (weight.dim() == 2 && weight.size(0) == outputs && bias.dim() == 1 && bias.size(0) == outputs &&
        net.tap_shape("embedding") == std::vector<int64_t>{weight.size(1)}) {
      return {count - 2, count - 1};
    }
  }
  throw ConfigError(fmt::format("{}: does not end in one linear layer on its embedding", arch_of(net)),
                    "take a net of `retort methods --nets` without further heads");
}

void set_last_layer(Net& net, const Tensor& weight, const Tensor& bias) {
  const LastLayer place = last_layer(net);
  const at::NoGradGuard no_grad;
  Tensor own_weight = net.params()[place.weight], own_bias = net.params()[place.bias];
  own_weight.copy_(weight);
  own_bias.copy_(bias);
}

Net with_twin_heads(const Net& net, Seed seed) {
  const LastLayer place = last_layer(net);
  const int64_t outputs = net.outputs();
  Net wide = same_with(net, 2 * outputs, seed);
  copy_body(net, place, wide);
  const at::NoGradGuard no_grad;
  for (const Slot slot : {place.weight, place.bias}) {
    Tensor param = wide.params()[slot];
    param.narrow(0, 0, outputs).copy_(net.params()[slot]);
  }
  nlohmann::json spec = net.spec();
  spec["heads"] = 2;
  return wide.followed_by(
      {"heads", [outputs](const Tensor& x, const Frame&) { return (x.narrow(1, 0, outputs) + x.narrow(1, outputs, outputs)) / 2; }}, spec,
      outputs);
}

Net joined_heads(const Net& twin) {
  const LastLayer place = last_layer(twin);
  Net net = same_with(twin, twin.outputs(), Seed(0));
  net.to(twin.params().front().device());
  copy_body(twin, place, net);
  const at::NoGradGuard no_grad;
  const auto mean_of = [&](Slot slot) { return twin.params()[slot].view({2, twin.outputs(), -1}).mean(0); };
  set_last_layer(net, mean_of(place.weight), mean_of(place.bias).squeeze(1));
  net.train(twin.training());
  return net;
}

}  // namespace retort

// Multi-layer perceptrons, and the linear classifier. Inputs of any shape are flattened.
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

struct MlpPlan {
  std::vector<int64_t> widths;
  std::string activation = "relu";
  bool norm = false;
  double drop = 0;
};

std::optional<MlpPlan> read_plan(const std::string& text) {
  NameReader name(text);
  MlpPlan plan;
  if (!name.text("mlp")) return {};
  while (!name.end()) {
    int64_t width = 0;
    if (!name.text("-")) return {};
    if (name.whole(width))
      plan.widths.push_back(width);
    else if (name.text("tanh"))
      plan.activation = "tanh";
    else if (name.text("gelu"))
      plan.activation = "gelu";
    else if (name.text("softplus"))
      plan.activation = "softplus";
    else if (name.text("relu"))
      plan.activation = "relu";
    else if (name.text("bn"))
      plan.norm = true;
    else if (!name.text("drop") || !name.number(plan.drop) || plan.drop >= 1)
      return {};
  }
  if (plan.widths.empty()) return {};
  return plan;
}

int64_t flat_size(const NetRequest& request) {
  return std::accumulate(request.input.begin(), request.input.end(), int64_t{1}, std::multiplies<>());
}

Layer activation_layer(const std::string& name) {
  if (name == "tanh") return tanh();
  if (name == "gelu") return gelu();
  if (name == "softplus") return softplus();
  return relu();
}

std::optional<Net> make_mlp(const NetRequest& request) {
  const auto plan = read_plan(request.name);
  if (!plan) return {};
  NetBuilder b(request.seed);
  int64_t width = flat_size(request);
  b.tap("embedding");
  for (size_t i = 0; i < plan->widths.size(); ++i) {
    const std::string index = std::to_string(i + 1), fc = "fc" + index;
    std::vector<Layer> layers;
    if (i == 0) layers.push_back(flatten());
    layers.push_back(plan->norm ? linear_bn(b, fc, "bn" + index, width, plan->widths[i]) : linear(b, fc, width, plan->widths[i]));
    layers.push_back(activation_layer(plan->activation));
    if (plan->drop > 0) layers.push_back(dropout(plan->drop));
    if (i + 1 == plan->widths.size()) {
      layers.push_back([](const Tensor& x, const Frame& frame) { return frame.tap("embedding", x); });
    }
    b.block("hidden" + index, chain(std::move(layers)));
    width = plan->widths[i];
  }
  b.block("logits", linear(b, "fc", width, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

std::optional<Net> make_linear(const NetRequest& request) {
  if (request.name != "linear") return {};
  NetBuilder b(request.seed);
  b.block("embedding", flatten());
  b.block("logits", linear(b, "fc", flat_size(request), request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family mlp_family() {
  return {"mlp", "mlp-WIDTH-WIDTH…[-tanh|-gelu|-softplus][-bn][-dropP]", "fully connected layers with ReLU, as in mlp-256-256", make_mlp};
}
Family linear_family() { return {"linear", "linear", "one linear layer", make_linear}; }

}  // namespace retort

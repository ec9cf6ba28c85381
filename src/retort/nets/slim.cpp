#include "retort/nets/slim.h"

#include "retort/base/error.h"

namespace retort {
namespace {

std::string arch(const Net& net) { return net.spec().value("arch", std::string()); }

std::vector<std::string> pieces(const std::string& name) {
  std::vector<std::string> list;
  for (size_t from = 0; from <= name.size();) {
    const size_t to = std::min(name.find('-', from), name.size());
    list.push_back(name.substr(from, to - from));
    from = to + 1;
  }
  return list;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// Tensors by name, with their shapes.
TensorMap tensors_of(const Net& net) { return net.named_tensors(); }

// Cuts of an output dimension: weight and bias, or the weight and all of the norm behind it; and of the input dimension of what comes next.
PrunableLayer between(const TensorMap& tensors, const std::string& layer, const std::string& norm, const std::string& next) {
  PrunableLayer found{layer, tensors.at(layer + ".weight").size(0), {{layer + ".weight", 0}, {next + ".weight", 1}}};
  for (const std::string& name : {layer + ".bias", norm + ".weight", norm + ".bias", norm + ".running_mean", norm + ".running_var"})
    if (tensors.count(name)) found.cuts.push_back({name, 0});
  return found;
}

std::vector<PrunableLayer> chain_layers(const Net& net, const std::function<std::pair<std::string, std::string>(size_t)>& names,
                                        const std::string& last) {
  const TensorMap tensors = tensors_of(net);
  std::vector<PrunableLayer> layers;
  for (size_t i = 0; tensors.count(names(i).first + ".weight"); ++i) {
    const std::string next = tensors.count(names(i + 1).first + ".weight") ? names(i + 1).first : last;
    layers.push_back(between(tensors, names(i).first, names(i).second, next));
  }
  return layers;
}

std::vector<PrunableLayer> vit_layers(const Net& net) {
  const TensorMap tensors = tensors_of(net);
  const auto width = tensors.at("class_token").size(2),
             head = width >= 192 ? width / (width / 64) : width / std::max<int64_t>(1, width / 16);
  std::vector<PrunableLayer> layers;
  for (size_t i = 0; tensors.count(fmt::format("encoder.layers.encoder_layer_{}.ln_1.weight", i)); ++i) {
    const std::string block = fmt::format("encoder.layers.encoder_layer_{}", i), attention = block + ".self_attention",
                      mlp = block + ".mlp";
    const int64_t heads = tensors.at(attention + ".out_proj.weight").size(1) / head;
    layers.push_back({attention,
                      heads,
                      {{attention + ".in_proj_weight", 0, head, 3},
                       {attention + ".in_proj_bias", 0, head, 3},
                       {attention + ".out_proj.weight", 1, head}}});
    layers.push_back({mlp, tensors.at(mlp + ".0.weight").size(0), {{mlp + ".0.weight", 0}, {mlp + ".0.bias", 0}, {mlp + ".3.weight", 1}}});
  }
  return layers;
}

// `dim` as [repeats, groups, size]; the groups' axis is then dim + 1.
Tensor grouped(const Tensor& tensor, const Cut& cut, int64_t groups) {
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape[static_cast<size_t>(cut.dim)] = cut.repeats;
  shape.insert(shape.begin() + cut.dim + 1, {groups, cut.size});
  return tensor.reshape(shape);
}
Tensor flat_again(const Tensor& tensor, const Cut& cut) {
  std::vector<int64_t> shape = tensor.sizes().vec();
  const auto at = static_cast<size_t>(cut.dim);
  shape[at] = shape[at] * shape[at + 1] * shape[at + 2];
  shape.erase(shape.begin() + cut.dim + 1, shape.begin() + cut.dim + 3);
  return tensor.reshape(shape);
}

// What the layers make of a tensor, cut by cut.
Tensor through_cuts(const std::string& name, Tensor tensor, const std::vector<PrunableLayer>& layers,
                    const std::function<Tensor(const Tensor&, int64_t axis, size_t layer)>& change) {
  for (size_t i = 0; i < layers.size(); ++i)
    for (const Cut& cut : layers[i].cuts)
      if (cut.tensor == name) tensor = flat_again(change(grouped(tensor, cut, layers[i].groups), cut.dim + 1, i), cut);
  return tensor;
}

void check_groups(const std::vector<PrunableLayer>& layers, const Groups& kept) {
  if (kept.size() != layers.size()) throw ConfigError(fmt::format("slimming: {} counts for {} layers", kept.size(), layers.size()));
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i] < 1 || kept[i] > layers[i].groups)
      throw ConfigError(fmt::format("slimming: {} has {} groups and cannot keep {}", layers[i].name, layers[i].groups, kept[i]),
                        "a part of a net is never larger than the net");
}

std::string narrowed_name(const Net& net, const Groups& kept) {
  std::vector<std::string> parts = pieces(arch(net));
  if (parts.front() == "vit") {
    for (size_t i = 2; i < kept.size(); ++i)
      if (kept[i] != kept[i - 2]) throw ConfigError("slimming: the blocks of a vit keep equally many heads and units");
    return fmt::format("{}-{}-h{}-f{}", parts[0], parts[1], kept[0], kept[1]);
  }
  size_t layer = 0;
  for (std::string& part : parts)
    if (is_number(part)) part = std::to_string(kept.at(layer++));
  return fmt::format("{}", fmt::join(parts, "-"));
}

Tensor leading(const std::string& name, const Tensor& tensor, const std::vector<PrunableLayer>& layers, const Groups& kept) {
  return through_cuts(name, tensor, layers, [&](const Tensor& t, int64_t axis, size_t layer) { return t.narrow(axis, 0, kept[layer]); });
}

}  // namespace

std::vector<PrunableLayer> prunable_layers(const Net& net) {
  const std::string family = pieces(arch(net)).front();
  if (family == "mlp")
    return chain_layers(
        net, [](size_t i) { return std::pair(fmt::format("fc{}", i + 1), fmt::format("bn{}", i + 1)); }, "fc");
  if (family == "cnn")
    return chain_layers(
        net, [](size_t i) { return std::pair(fmt::format("features.{}", 4 * i), fmt::format("features.{}", 4 * i + 1)); }, "classifier");
  if (family == "vit") return vit_layers(net);
  throw ConfigError(fmt::format("{}: has no groups of weights that could be left out", arch(net)),
                    "units of mlp-…, channels of cnn-… and heads of vit-… can be");
}

double scale_of(const Net& net, const Groups& kept) {
  const auto layers = prunable_layers(net);
  check_groups(layers, kept);
  double left = 0;
  for (size_t i = 0; i < net.params().size(); ++i) {
    double count = static_cast<double>(net.params()[i].numel());
    for (size_t k = 0; k < layers.size(); ++k)
      for (const Cut& cut : layers[k].cuts)
        if (cut.tensor == net.param_names()[i]) count *= static_cast<double>(kept[k]) / static_cast<double>(layers[k].groups);
    left += count;
  }
  return left / static_cast<double>(net.param_count());
}

Groups groups_for_scale(const Net& net, double scale) {
  if (!(scale > 0 && scale <= 1))
    throw ConfigError(fmt::format("slimming: no part of a net has {} times its parameters", scale), "scales lie above 0 and up to 1");
  const auto layers = prunable_layers(net);
  int64_t finest = 1;
  for (const auto& layer : layers) finest = std::max(finest, layer.groups);
  const auto share = [&](int64_t part) {
    Groups kept;
    for (const auto& layer : layers)
      kept.push_back(std::max<int64_t>(1, std::llround(static_cast<double>(layer.groups * part) / static_cast<double>(finest))));
    return kept;
  };
  const double least = scale_of(net, share(1));
  if (scale < 0.9 * least)
    throw ConfigError(fmt::format("slimming: {} keeps {:.1f} % of its parameters with one group a layer; {:.1f} % are asked for", arch(net),
                                  100 * least, 100 * scale),
                      "ask for more, or take another net");
  Groups best;
  double error = 2;
  for (int64_t part = 1; part <= finest; ++part) {
    const Groups kept = share(part);
    const double off = std::abs(scale_of(net, kept) - scale);
    if (off < error) best = kept, error = off;
  }
  return best;
}

std::vector<Tensor> taylor_importance(const Net& net, const Tensors& gradients) {
  std::vector<Tensor> scores;
  std::map<std::string, Tensor> products;
  for (size_t i = 0; i < net.params().size(); ++i)
    if (gradients.at(i).defined()) products[net.param_names()[i]] = net.params()[i].detach() * gradients[i];
  for (const PrunableLayer& layer : prunable_layers(net)) {
    Tensor sum = at::zeros({layer.groups}, at::kDouble);
    for (const Cut& cut : layer.cuts) {
      const auto product = products.find(cut.tensor);
      if (product == products.end()) continue;
      sum += grouped(product->second, cut, layer.groups).transpose(0, cut.dim + 1).reshape({layer.groups, -1}).sum(1).to(at::kDouble).cpu();
    }
    scores.push_back(sum.abs());
  }
  return scores;
}

Net reordered(const Net& net, const std::vector<Tensor>& orders) {
  const auto layers = prunable_layers(net);
  TensorMap moved;
  for (const auto& [name, tensor] : tensors_of(net)) {
    moved[name] = through_cuts(name, tensor, layers, [&](const Tensor& t, int64_t axis, size_t layer) {
      return t.index_select(axis, orders.at(layer).to(t.device()));
    });
  }
  Net other = net.clone();
  other.load(moved, "a reordered net");
  return other;
}

Net cut_out(const Net& wide, const Groups& kept) {
  const auto layers = prunable_layers(wide);
  check_groups(layers, kept);
  nlohmann::json spec = wide.spec();
  spec["arch"] = narrowed_name(wide, kept);
  TensorMap slices;
  for (const auto& [name, tensor] : tensors_of(wide)) slices[name] = leading(name, tensor, layers, kept);
  Net narrow = make_net(spec, Seed());
  narrow.to(wide.params().front().device());
  narrow.load(slices, "a wider net");
  return narrow;
}

Tensors leading_params(const Net& wide, const Groups& kept) {
  const auto layers = prunable_layers(wide);
  Tensors slices;
  for (size_t i = 0; i < wide.params().size(); ++i) slices.push_back(leading(wide.param_names()[i], wide.params()[i], layers, kept));
  return slices;
}

}  // namespace retort

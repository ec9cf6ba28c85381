#include "retort/nets/linear_map.h"

#include "retort/base/error.h"
#include "retort/nets/layers.h"

namespace retort {

Net linear_map(const std::vector<int64_t>& from, const std::vector<int64_t>& to, Seed seed) {
  const size_t rank = from.size();
  const bool fits = rank == to.size() && rank >= 1 && rank <= 3 &&
                    (rank == 3 ? from[1] == to[1] && from[2] == to[2] : rank == 1 || from[0] == to[0]);
  if (!fits) {
    throw ConfigError(fmt::format("no linear map of channels leads from features [{}] to [{}]", fmt::join(from, ","), fmt::join(to, ",")),
                      "choose layers where both sides have maps of one size, or vectors");
  }
  NetBuilder b(seed);
  b.block("map", rank == 3 ? conv2d(b, "map", from[0], to[0], 1) : linear(b, "map", from.back(), to.back()));
  return b.finish({{"arch", "linear map"}}, from, 0);
}

Tensor map_matrix(const Net& map) { return map.params()[0].detach().view({map.params()[0].size(0), -1}); }

std::pair<Tensor, Tensor> folded_maps(const Net& first, const Net& second) {
  const at::NoGradGuard no_grad;
  return {map_matrix(second).mm(map_matrix(first)), map_matrix(second).mv(first.params()[1]) + second.params()[1]};
}

Net with_linear_maps(const Net& net, const std::vector<std::string>& behind) {
  Net longer = net;
  std::vector<std::string> names;
  for (const Block& block : net.blocks()) names.push_back(block.name);
  nlohmann::json spec = net.spec();
  for (const std::string& name : behind) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw ConfigError(fmt::format("{}: no block is called '{}'", spec.value("arch", "net"), name),
                        fmt::format("its blocks are {}", fmt::join(names, ", ")));
    }
    const std::vector<int64_t> shape = net.tap_shape(name);
    const Net map = linear_map(shape, shape, Seed());
    const at::NoGradGuard no_grad;
    Tensor weight = map_matrix(map), bias = map.params()[1];
    weight.copy_(at::eye(weight.size(0)));
    bias.zero_();
    spec["maps"].push_back(name);
    const auto& blocks = longer.blocks();
    const auto at = std::find_if(blocks.begin(), blocks.end(), [&](const Block& block) { return block.name == name; });
    longer = longer.with_part(static_cast<size_t>(at - blocks.begin()) + 1, "map." + name, map, spec);
  }
  return longer;
}

Net with_maps_absorbed(const Net& net) {
  const std::string arch = net.spec().value("arch", "");
  if (!net.spec().contains("maps") || arch.rfind("mlp-", 0) != 0 || arch.find("-bn") != std::string::npos) return net;
  nlohmann::json spec = net.spec();
  spec.erase("maps");
  Net plain = make_net(spec, Seed());
  TensorMap tensors = net.named_tensors(), kept;
  for (const auto& [name, tensor] : plain.named_tensors()) kept[name] = tensors.at(name).cpu();
  const size_t layers = plain.blocks().size();
  for (const auto& entry : net.spec().at("maps")) {
    const std::string behind = entry.get<std::string>();  // hiddenK, whose output fc(K+1), or fc at the end, reads
    const size_t k = std::stoul(behind.substr(std::string("hidden").size()));
    const std::string next = k + 1 < layers ? fmt::format("fc{}", k + 1) : "fc";
    const Tensor a = tensors.at("map." + behind + ".map.weight").cpu(), c = tensors.at("map." + behind + ".map.bias").cpu(),
                 w = kept.at(next + ".weight");
    kept[next + ".bias"] = w.mv(c) + kept.at(next + ".bias");
    kept[next + ".weight"] = w.mm(a);
  }
  plain.load(kept, "a net with maps");
  plain.to(net.params().front().device());
  plain.train(net.training());
  return plain;
}

}  // namespace retort

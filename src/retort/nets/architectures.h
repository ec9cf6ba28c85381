// How an architecture is asked for by name: the families of nets, and what their files share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "retort/nets/net.h"

namespace retort {

struct NetRequest {
  std::string name;
  std::vector<int64_t> input;
  int64_t outputs;
  Seed seed;
  nlohmann::json spec() const { return {{"arch", name}, {"input", input}, {"outputs", outputs}}; }
};

struct Family {
  std::string name;         // what its names begin with
  std::string form, about;  // "resnetDEPTH[xW]", "CIFAR-style residual net …"
  // Empty when the name has another form; throws ConfigError when it has this one but asks for what cannot be.
  std::function<std::optional<Net>(const NetRequest&)> make;
};

Family linear_family();
Family mlp_family();
Family convnet_family();
Family cnn_family();
Family resnet_family();
Family wrn_family();
Family vgg_family();
Family mobilenet_family();
Family vit_family();
Family lstm_family();
Family chars_family();
Family kernel_family();
Family autoencoder_family();

// Reads a name piece by piece: `name.text("resnet") && name.whole(depth) && name.end()`. Every call that fails leaves the place as it is.
class NameReader {
 public:
  explicit NameReader(std::string_view name) : rest_(name) {}
  bool text(std::string_view expected);
  bool whole(int64_t& value);  // at least 1, below 10^6
  bool number(double& value);  // digits with an optional fraction, above 0
  bool end() const { return rest_.empty(); }
  // An optional width factor: "x0.5", or nothing (the factor stays as it is). False for a broken one.
  bool factor(double& value);

 private:
  std::string_view rest_;
};

// A map of an image net while it is written down.
struct Map {
  int64_t channels, height, width;
  // Whether halving (rounding up) leaves at least `least` pixels a side; when it does, the map is halved.
  bool halve(int64_t least);
};
Map image_map(const NetRequest& request);         // throws ConfigError unless the input is [c,h,w]
int64_t scaled(int64_t channels, double factor);  // rounded, at least 1

}  // namespace retort

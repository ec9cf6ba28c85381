#include "retort/nets/architectures.h"

#include "retort/base/error.h"
#include "retort/nets/class_head.h"
#include "retort/nets/dense.h"
#include "retort/nets/linear_map.h"

namespace retort {
namespace {

const std::vector<Family>& families() {
  static const std::vector<Family> all = {linear_family(), mlp_family(),    convnet_family(),    cnn_family(),       resnet_family(),
                                          wrn_family(),    vgg_family(),    vit_family(),        mobilenet_family(), lstm_family(),
                                          chars_family(),  kernel_family(), autoencoder_family()};
  return all;
}

// What comes before the numbers says which family is meant.
std::string head_of(const std::string& name) { return name.substr(0, name.find_first_of("-0123456789")); }

ConfigError unknown_net(const std::string& name) {
  std::vector<std::string> names, heads;
  for (const Family& family : families()) {
    names.push_back(family.name);
    heads.push_back(head_of(family.name));
  }
  const std::string head = head_of(name), nearest = std::count(heads.begin(), heads.end(), head) ? head : nearest_name(head, heads);
  const auto meant = std::find(heads.begin(), heads.end(), nearest);
  if (nearest.empty() || meant == heads.end())
    return ConfigError(fmt::format("no net is called '{}'", name), fmt::format("nets are {}", fmt::join(names, ", ")));
  const Family& family = families()[static_cast<size_t>(meant - heads.begin())];
  return ConfigError(fmt::format("no net is called '{}'", name),
                     fmt::format("the nearest family is {}: {}, {}", family.name, family.form, family.about));
}

}  // namespace

Net make_net(const std::string& name, const std::vector<int64_t>& input_shape, int64_t outputs, Seed seed) {
  if (input_shape.empty() || std::any_of(input_shape.begin(), input_shape.end(), [](int64_t size) { return size < 1; }) || outputs < 1) {
    throw ConfigError(fmt::format("net '{}': cannot be made for inputs [{}] and {} outputs", name, fmt::join(input_shape, ","), outputs),
                      "every size must be at least 1");
  }
  const NetRequest request{name, input_shape, outputs, seed};
  for (const Family& family : families()) {
    if (std::optional<Net> net = family.make(request)) return std::move(*net);
  }
  throw unknown_net(name);
}

Net make_net(const nlohmann::json& spec, Seed seed) {
  try {
    if (spec.contains("detects"))
      return make_dense_net(spec.at("arch").get<std::string>(), spec.at("input").get<std::vector<int64_t>>(),
                            spec["detects"].get<int64_t>(), seed);
    const auto subclasses = spec.value("subclasses", int64_t{0}), outputs = spec.at("outputs").get<int64_t>();
    Net net = make_net(spec.at("arch").get<std::string>(), spec.at("input").get<std::vector<int64_t>>(),
                       outputs * std::max<int64_t>(subclasses, 1), seed);
    if (spec.contains("maps")) net = with_linear_maps(net, spec.at("maps").get<std::vector<std::string>>());
    return subclasses > 0 ? with_class_head(net, subclasses) : net;
  } catch (const nlohmann::json::exception&) {
    throw ConfigError("the description of a net needs arch (text), input (list of sizes) and outputs (a number)",
                      R"(as in {"arch": "mlp-64", "input": [1,8,8], "outputs": 10})");
  }
}

std::vector<NetForm> net_forms() {
  std::vector<NetForm> forms;
  for (const Family& family : families()) forms.push_back({family.form, family.about});
  return forms;
}

bool NameReader::text(std::string_view expected) {
  if (rest_.substr(0, expected.size()) != expected) return false;
  rest_.remove_prefix(expected.size());
  return true;
}

bool NameReader::whole(int64_t& value) {
  size_t length = 0;
  int64_t read = 0;
  while (length < rest_.size() && length < 6 && rest_[length] >= '0' && rest_[length] <= '9') read = 10 * read + (rest_[length++] - '0');
  if (length == 0 || read < 1 || (length < rest_.size() && rest_[length] >= '0' && rest_[length] <= '9')) return false;
  rest_.remove_prefix(length);
  value = read;
  return true;
}

bool NameReader::number(double& value) {
  size_t length = 0, points = 0;
  while (length < rest_.size() && (rest_[length] == '.' || (rest_[length] >= '0' && rest_[length] <= '9')))
    points += rest_[length++] == '.';
  if (length == 0 || length > 12 || points > 1 || rest_[0] == '.' || rest_[length - 1] == '.') return false;
  const double read = std::stod(std::string(rest_.substr(0, length)));
  if (read <= 0) return false;
  rest_.remove_prefix(length);
  value = read;
  return true;
}

bool NameReader::factor(double& value) {
  const std::string_view before = rest_;
  if (!text("x")) return true;
  if (number(value)) return true;
  rest_ = before;
  return false;
}

bool Map::halve(int64_t least) {
  if ((std::min(height, width) + 1) / 2 < least || std::min(height, width) < 2) return false;
  height = (height + 1) / 2;
  width = (width + 1) / 2;
  return true;
}

Map image_map(const NetRequest& request) {
  if (request.input.size() == 3) return {request.input[0], request.input[1], request.input[2]};
  throw ConfigError(fmt::format("net '{}' reads images [c,h,w]; these inputs are [{}]", request.name, fmt::join(request.input, ",")),
                    "for tables take linear or an mlp, as in mlp-64-64");
}

int64_t scaled(int64_t channels, double factor) { return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * factor)); }

}  // namespace retort

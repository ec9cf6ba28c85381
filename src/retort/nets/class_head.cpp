#include "retort/nets/class_head.h"

#include "retort/base/error.h"

namespace retort {

Tensor joined_subclasses(const Tensor& logits, int64_t subclasses) { return logits.view({logits.size(0), -1, subclasses}).logsumexp(2); }

Net with_class_head(const Net& net, int64_t subclasses) {
  if (subclasses < 1 || net.outputs() % subclasses != 0) {
    throw ConfigError(fmt::format("a net of {} outputs cannot have {} subclasses a class", net.outputs(), subclasses),
                      "outputs = classes x subclasses");
  }
  const int64_t classes = net.outputs() / subclasses;
  nlohmann::json spec = net.spec();
  spec["outputs"] = classes;
  spec["subclasses"] = subclasses;
  return net.followed_by({"classes", [subclasses](const Tensor& x, const Frame&) { return joined_subclasses(x, subclasses); }}, spec,
                         classes);
}

}  // namespace retort

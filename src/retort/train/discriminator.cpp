#include "retort/train/discriminator.h"

#include "retort/base/error.h"
#include "retort/nets/layers.h"

namespace retort {

Net logit_discriminator(int64_t classes, int64_t shrink, bool last_relu, Seed seed) {
  if (shrink < 1 || classes < shrink * shrink) {
    throw ConfigError(fmt::format("a discriminator that shrinks {} classes by {} twice has no layer left: classes must be at least {}",
                                  classes, shrink, shrink * shrink),
                      fmt::format("take a shrink of at most {}", static_cast<int64_t>(std::sqrt(static_cast<double>(classes)))));
  }
  NetBuilder b(seed);
  const int64_t first = classes / shrink, second = classes / (shrink * shrink);
  b.block("narrow1", chain({linear(b, "fc1", classes, first), relu()}));
  b.block("narrow2", chain({linear(b, "fc2", first, second), relu()}));
  const Layer decide = linear(b, "fc3", second, 2);
  b.block("decision", last_relu ? chain({decide, relu()}) : decide);
  return b.finish({{"arch", "logit discriminator"}}, {classes}, 2);
}

}  // namespace retort

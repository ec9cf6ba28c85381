// From one preparation of inputs to another.
#pragma once

#include "retort/data/dataset.h"

namespace retort {

// x -> x * scale + shift, by channel: what was prepared as `given` says becomes what `own` would have made of it. Same shapes, no tables.
class Renormalisation {
 public:
  Renormalisation(const InputSpec& given, const InputSpec& own);
  Tensor operator()(const Tensor& x) const { return x * scale_.to(x.device()) + shift_.to(x.device()); }

 private:
  Tensor scale_, shift_;
};

}  // namespace retort

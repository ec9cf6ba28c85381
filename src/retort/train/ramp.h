// Weights that grow in.
#pragma once

#include <algorithm>

namespace retort {

// 0 … 1 over `length` of anything (epochs, steps), then 1; 1 at once for no length. `done` counts the present one: epoch 0 of 20 is 1/20.
inline double ramp(double done, double length) { return length > 0 ? std::clamp(done / length, 0.0, 1.0) : 1.0; }

}  // namespace retort

// Randomness is an explicit key that is split, never a hidden global. Every stream of a run derives from one seed.
#pragma once

#include <cstdint>
#include <string_view>

#include "retort/base/tensor.h"

namespace retort {

// A 64-bit key. `seed.stream("order", epoch)` is a key of its own, the same on every machine.
class Seed {
 public:
  explicit constexpr Seed(uint64_t value = 0) : value_(value) {}
  Seed stream(std::string_view name, uint64_t index = 0) const;
  uint64_t value() const { return value_; }
  at::Generator generator() const;  // a fresh CPU generator at the start of this stream

 private:
  uint64_t value_;
};

// A small counter-based generator (splitmix64) for per-sample draws: cheap to make, equal whatever the thread count.
class Dice {
 public:
  explicit Dice(Seed seed) : state_(seed.value()) {}
  uint64_t next();
  double uniform();  // [0, 1)
  double uniform(double low, double high);
  int64_t below(int64_t n);  // 0 … n-1
  double normal();           // standard normal (Box-Muller)
  bool chance(double p) { return uniform() < p; }

 private:
  uint64_t state_;
};

// A permutation of 0 … n-1, int64, from the stream alone (Fisher-Yates over Dice).
Tensor permutation(int64_t n, Seed seed);

// The state of libtorch's global CPU generator (dropout and the like draw from it), as a byte tensor.
Tensor global_generator_state();
void set_global_generator_state(const Tensor& state);
void seed_global_generator(Seed seed);

}  // namespace retort

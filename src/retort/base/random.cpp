#include "retort/base/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

namespace retort {

namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: the increment of splitmix64

// The finaliser of splitmix64 (Stafford's variant 13): a bijection whose output bits each depend on every input bit.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Fills the whole state of the Mersenne twister from the key: libtorch's own seeding looks at 32 bits of it only.
at::mt19937 engine_of(Seed seed) {
  at::mt19937 engine(seed.value());
  at::mt19937_data_pod data = engine.data();
  Dice dice(seed);
  for (uint32_t& word : data.state_) word = uint32_t(dice.next() >> 32);
  data.state_[0] |= 0x80000000u;  // never all zero
  engine.set_data(data);
  return engine;
}

void start(at::CPUGeneratorImpl& generator, Seed seed) {
  generator.set_current_seed(seed.value());  // also forgets a cached normal sample
  generator.set_engine(engine_of(seed));
}

}  // namespace

Seed Seed::stream(std::string_view name, uint64_t index) const {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (unsigned char byte : name) hash = (hash ^ byte) * 0x100000001b3;
  const uint64_t named = mix(mix(value_ + kGolden) ^ mix(hash + kGolden));
  return Seed(mix(named + kGolden * (index + 1)));
}

at::Generator Seed::generator() const {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(value_);
  start(*at::check_generator<at::CPUGeneratorImpl>(generator), *this);
  return generator;
}

uint64_t Dice::next() { return mix(state_ += kGolden); }

double Dice::uniform() { return double(next() >> 11) * 0x1p-53; }

double Dice::uniform(double low, double high) { return low + (high - low) * uniform(); }

// Lemire's multiplication with rejection: no bias for any n.
int64_t Dice::below(int64_t n) {
  const uint64_t bound = uint64_t(n), threshold = (0 - bound) % bound;
  while (true) {
    const unsigned __int128 product = (unsigned __int128)(next()) * bound;
    if (uint64_t(product) >= threshold) return int64_t(product >> 64);
  }
}

double Dice::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * 3.14159265358979323846 * uniform());
}

Tensor permutation(int64_t n, Seed seed) {
  Tensor order = at::arange(n, at::kLong);
  auto* entries = order.data_ptr<int64_t>();
  Dice dice(seed);
  for (int64_t i = n - 1; i > 0; --i) std::swap(entries[i], entries[dice.below(i + 1)]);
  return order;
}

Tensor global_generator_state() { return at::detail::getDefaultCPUGenerator().get_state(); }

void set_global_generator_state(const Tensor& state) {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

void seed_global_generator(Seed seed) {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  start(*at::check_generator<at::CPUGeneratorImpl>(generator), seed);
}

}  // namespace retort

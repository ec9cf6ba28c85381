// Images without objects: a grating of its own direction and wavelength for each class, with random phase, contrast and noise.
#include "retort/data/worlds.h"

namespace retort {
namespace {

struct Grating {
  double direction, wavelength;
};

Dataset texture_part(const WorldKnobs& knobs, const std::vector<Grating>& gratings, int64_t first, int64_t count, Seed seed) {
  const int64_t side = knobs.size > 0 ? knobs.size : 8, classes = static_cast<int64_t>(gratings.size());
  const double noise = knobs.noise >= 0 ? knobs.noise : 0.15;
  Dataset data;
  data.inputs = at::empty({count, 1, side, side}, at::kByte);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(first, first + count, at::kLong);
  uint8_t* pixel = data.inputs.data_ptr<uint8_t>();
  for (int64_t i = 0; i < count; ++i) {
    Dice dice(seed.stream("texture", static_cast<uint64_t>(first + i)));
    const int64_t label = data.labels.data_ptr<int64_t>()[i] = dice.below(classes);
    const auto [direction, wavelength] = gratings[static_cast<size_t>(label)];
    const double phase = dice.uniform(0, 2 * M_PI), contrast = dice.uniform(0.25, 0.5), step = 2 * M_PI / wavelength;
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x) {
        const double along = static_cast<double>(x) * std::cos(direction) + static_cast<double>(y) * std::sin(direction);
        const double value = 0.5 + contrast * std::sin(step * along + phase) + noise * dice.normal();
        *pixel++ = static_cast<uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
      }
  }
  data.spec.shape = {1, side, side};
  for (int64_t c = 0; c < classes; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

}  // namespace

Source textures_world(const WorldKnobs& knobs, Seed seed) {
  const int64_t classes = knobs.classes > 0 ? knobs.classes : 6;
  std::vector<Grating> gratings;
  for (int64_t c = 0; c < classes; ++c)
    gratings.push_back({M_PI * static_cast<double>(c) / static_cast<double>(classes), 2.5 + 1.5 * static_cast<double>(c % 3)});
  Source made;
  made.train = texture_part(knobs, gratings, 0, knobs.rows, seed);
  made.test = texture_part(knobs, gratings, knobs.rows, knobs.test_rows, seed);
  return made;
}

}  // namespace retort

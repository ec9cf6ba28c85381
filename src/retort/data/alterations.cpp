#include "retort/data/alterations.h"

#include "retort/base/error.h"

namespace retort {
namespace {

void turn_into_labels(Dataset& data, Seed seed) {
  if (data.inputs.size(2) != data.inputs.size(3)) {
    throw ConfigError(fmt::format("data.task: images of {}x{} pixels cannot be turned in place", data.inputs.size(2), data.inputs.size(3)),
                      "bring them to a square with data.resize");
  }
  data.labels = turn_images(data, seed);
  data.spec.classes = {"upright", "quarter turn", "half turn", "three quarters"};
}

void displace_images(Dataset& data, int64_t most, Seed seed) {
  const int64_t height = data.inputs.size(2), width = data.inputs.size(3);
  const Tensor padded = at::constant_pad_nd(data.inputs, {most, most, most, most}, 0);
  data.inputs = data.inputs.clone();
  for (int64_t i = 0; i < data.size(); ++i) {
    Dice dice(seed.stream("place", static_cast<uint64_t>(data.ids[i].item<int64_t>())));
    const int64_t top = dice.below(2 * most + 1), left = dice.below(2 * most + 1);
    data.inputs[i].copy_(padded[i].narrow(1, top, height).narrow(2, left, width));
  }
}

}  // namespace

Tensor turn_images(Dataset& data, Seed seed) {
  Tensor turned = data.inputs.clone(), turns = at::empty_like(data.ids);
  for (int64_t i = 0; i < data.size(); ++i) {
    const int64_t quarters = Dice(seed.stream("turn", static_cast<uint64_t>(data.ids.data_ptr<int64_t>()[i]))).below(4);
    turned[i].copy_(at::rot90(data.inputs[i], quarters, {1, 2}));
    turns.data_ptr<int64_t>()[i] = quarters;
  }
  data.inputs = turned;
  return turns;
}

Dataset altered(Dataset data, const DataKnobs& knobs, Seed seed) {
  const bool turns = knobs.task == "rotation";
  if ((!turns && knobs.displace == 0 && !knobs.invert) || data.size() == 0) return data;
  if (data.inputs.dim() != 4 || data.inputs.scalar_type() != at::kByte) {
    throw ConfigError(fmt::format("data.{}: {} holds no images",
                                  turns          ? "task"
                                  : knobs.invert ? "invert"
                                                 : "displace",
                                  data.name),
                      "take the key out");
  }
  if (turns) turn_into_labels(data, seed);
  if (knobs.displace > 0) displace_images(data, knobs.displace, seed);
  if (knobs.invert) data.inputs = 255 - data.inputs;
  return data;
}

}  // namespace retort

// CutMix (Yun et al. 2019): a box of another image of the batch stands in the place of the image's own.
#include "retort/data/transforms.h"

namespace retort {

Cut draw_cut(const Tensor& ids, const ViewKnobs& knobs, const InputSpec& spec, Seed stream) {
  const int64_t b = ids.size(0), height = spec.shape[spec.shape.size() - 2], width = spec.shape.back();
  Cut cut{{at::empty({b, 2}, at::kLong), at::empty({b, 2}, at::kFloat)}, at::empty({b, 4}, at::kLong)};
  for (int64_t i = 0; i < b; ++i) {
    Dice dice(stream.stream("cut", static_cast<uint64_t>(ids.data_ptr<int64_t>()[i])));
    const double first = draw_gamma(knobs.cutmix, dice), second = draw_gamma(knobs.cutmix, dice);
    const double side = std::sqrt(first + second > 0 ? second / (first + second) : 0);  // of the box, as a share of the image's
    const auto place = [&](int64_t length) {                                            // a box may stick out; what does is left away
      const int64_t extent = std::llround(side * static_cast<double>(length)), from = dice.below(length) - extent / 2;
      return std::pair{std::clamp<int64_t>(from, 0, length), std::clamp<int64_t>(from + extent, 0, length)};
    };
    const auto [top, bottom] = place(height);
    const auto [left, right] = place(width);
    int64_t partner = dice.below(b - 1);
    partner += partner >= i;
    const double share = static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(height * width);
    const int64_t partners[] = {i, partner}, box[] = {top, bottom, left, right};
    std::copy(partners, partners + 2, cut.mix.partners.data_ptr<int64_t>() + 2 * i);
    std::copy(box, box + 4, cut.boxes.data_ptr<int64_t>() + 4 * i);
    cut.mix.weights.data_ptr<float>()[2 * i] = static_cast<float>(1 - share);
    cut.mix.weights.data_ptr<float>()[2 * i + 1] = static_cast<float>(share);
  }
  return cut;
}

Tensor cut_inputs(const Tensor& inputs, const Cut& cut) {
  Tensor mixed = inputs.index_select(0, cut.mix.partners.select(1, 0));
  const int64_t *partner = cut.mix.partners.data_ptr<int64_t>() + 1, *box = cut.boxes.data_ptr<int64_t>();
  for (int64_t i = 0; i < mixed.size(0); ++i, partner += 2, box += 4) {
    const auto part = [box](const Tensor& image) { return image.slice(-2, box[0], box[1]).slice(-1, box[2], box[3]); };
    part(mixed[i]).copy_(part(inputs[*partner]));
  }
  return mixed;
}

}  // namespace retort

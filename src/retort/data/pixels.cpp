#include "retort/data/pixels.h"

#include "retort/base/random.h"

namespace retort {

Tensor unit_pixels(const Tensor& prepared, const InputSpec& spec) {
  if (spec.mean.empty()) return prepared;
  std::vector<int64_t> shape(static_cast<size_t>(prepared.dim()), 1);
  shape[static_cast<size_t>(spec.images() ? prepared.dim() - 3 : 1)] = static_cast<int64_t>(spec.mean.size());
  return prepared * at::tensor(spec.deviation, at::kFloat).view(shape) + at::tensor(spec.mean, at::kFloat).view(shape);
}

Tensor tilted_images(const Tensor& images, const Tensor& ids, double degrees, double noise, Seed seed) {
  Tensor turned = images;
  if (degrees > 0) {
    Tensor maps = at::zeros({images.size(0), 2, 3});
    auto map = maps.accessor<float, 3>();
    for (int64_t i = 0; i < images.size(0); ++i) {
      Dice dice(seed.stream("tilt", static_cast<uint64_t>(ids[i].item<int64_t>())));
      const double angle = dice.uniform(-degrees, degrees) * M_PI / 180;
      map[i][0][0] = map[i][1][1] = static_cast<float>(std::cos(angle));
      map[i][0][1] = static_cast<float>(-std::sin(angle));
      map[i][1][0] = static_cast<float>(std::sin(angle));
    }
    const Tensor grid = at::affine_grid_generator(maps, images.sizes(), /*align_corners=*/false);
    turned = at::grid_sampler(images, grid, /*bilinear*/ 0, /*zeros*/ 0, /*align_corners=*/false);
  }
  if (noise <= 0) return turned.clamp(0, 1);
  turned = turned.contiguous().clone();
  const int64_t length = turned.numel() / std::max<int64_t>(1, turned.size(0));
  for (int64_t i = 0; i < turned.size(0); ++i) {
    Dice dice(seed.stream("noise", static_cast<uint64_t>(ids[i].item<int64_t>())));
    float* pixel = turned.data_ptr<float>() + i * length;
    for (int64_t k = 0; k < length; ++k) pixel[k] += static_cast<float>(noise * dice.normal());
  }
  return turned.clamp_(0, 1);
}

}  // namespace retort

#include "retort/data/transforms.h"

#include <cstring>

#include "retort/base/error.h"

namespace retort {

namespace {

bool moves_pixels(const ViewKnobs& knobs) { return knobs.flip || knobs.shift || knobs.crop_padding || knobs.cutout || knobs.crop_area < 1; }

// Planes of one sample: clips are frames x channels of the same picture.
struct Planes {
  int64_t planes, height, width;
  std::vector<float> black;  // by plane
};

Planes planes_of(const InputSpec& spec) {
  const size_t dims = spec.shape.size();
  const int64_t channels = spec.shape[dims - 3], frames = dims == 4 ? spec.shape[0] : 1;
  Planes planes{frames * channels, spec.shape[dims - 2], spec.shape[dims - 1], {}};
  for (int64_t p = 0; p < planes.planes; ++p) {
    const auto c = static_cast<size_t>(p % channels);
    planes.black.push_back(spec.mean.empty() ? 0.f : static_cast<float>(-spec.mean[c] / spec.deviation[c]));
  }
  return planes;
}

int64_t draw_offset(int64_t most, Dice& dice) { return most ? dice.below(2 * most + 1) - most : 0; }

// out(y, x) = in(y + dy, x + dx), mirrored when flipped, black outside.
void move_plane(const float* in, float* out, int64_t h, int64_t w, int64_t dy, int64_t dx, bool flip, float black) {
  const int64_t begin = std::clamp<int64_t>(-dx, 0, w), end = std::clamp<int64_t>(w - dx, begin, w);
  for (int64_t y = 0; y < h; ++y, out += w) {
    const int64_t from = y + dy;
    if (from < 0 || from >= h) {
      std::fill(out, out + w, black);
      continue;
    }
    const float* row = in + from * w;
    std::fill(out, out + begin, black);
    std::fill(out + end, out + w, black);
    if (!flip)
      std::copy(row + begin + dx, row + end + dx, out + begin);
    else
      for (int64_t x = begin; x < end; ++x) out[x] = row[w - 1 - (x + dx)];
  }
}

// A part of a plane brought to the whole size, by bilinear interpolation between pixel centres. Places in pixels.
struct Part {
  double top, left, height, width;
};
void enlarge_part(const float* in, float* out, int64_t h, int64_t w, const Part& part) {
  const auto between = [](double place, int64_t length) {
    const double inside = std::clamp(place, 0.0, static_cast<double>(length - 1));
    const auto below = std::min(static_cast<int64_t>(inside), length - 1);
    return std::tuple{below, std::min(below + 1, length - 1), static_cast<float>(inside - static_cast<double>(below))};
  };
  for (int64_t y = 0; y < h; ++y) {
    const auto [y0, y1, fy] = between(part.top + (static_cast<double>(y) + 0.5) * part.height / static_cast<double>(h) - 0.5, h);
    for (int64_t x = 0; x < w; ++x) {
      const auto [x0, x1, fx] = between(part.left + (static_cast<double>(x) + 0.5) * part.width / static_cast<double>(w) - 0.5, w);
      const float above = in[y0 * w + x0] * (1 - fx) + in[y0 * w + x1] * fx, below = in[y1 * w + x0] * (1 - fx) + in[y1 * w + x1] * fx;
      out[y * w + x] = above * (1 - fy) + below * fy;
    }
  }
}

// Area uniform from the least to 1, ratio of the sides log-uniform from 3/4 to 4/3.
Part draw_part(const ViewKnobs& knobs, int64_t h, int64_t w, Dice& dice) {
  const double area = dice.uniform(knobs.crop_area, 1), ratio = std::exp(dice.uniform(-std::log(4.0 / 3), std::log(4.0 / 3)));
  Part part{0, 0, std::min(1.0, std::sqrt(area / ratio)) * static_cast<double>(h),
            std::min(1.0, std::sqrt(area * ratio)) * static_cast<double>(w)};
  part.top = dice.uniform() * (static_cast<double>(h) - part.height);
  part.left = dice.uniform() * (static_cast<double>(w) - part.width);
  return part;
}

void view_of_planes(const float* in, float* out, const Planes& planes, const ViewKnobs& knobs, Dice& dice) {
  const int64_t h = planes.height, w = planes.width;
  std::vector<float> enlarged;
  if (knobs.crop_area < 1) {
    const Part part = draw_part(knobs, h, w, dice);
    enlarged.resize(static_cast<size_t>(planes.planes * h * w));
    for (int64_t p = 0; p < planes.planes; ++p) enlarge_part(in + p * h * w, enlarged.data() + p * h * w, h, w, part);
    in = enlarged.data();
  }
  const bool flip = knobs.flip && dice.chance(0.5);
  // A crop from a padded image is a shift by at most the padding.
  const int64_t dy = draw_offset(knobs.shift, dice) + draw_offset(knobs.crop_padding, dice);
  const int64_t dx = draw_offset(knobs.shift, dice) + draw_offset(knobs.crop_padding, dice);
  for (int64_t p = 0; p < planes.planes; ++p)
    move_plane(in + p * h * w, out + p * h * w, h, w, dy, dx, flip, planes.black[static_cast<size_t>(p)]);
  if (!knobs.cutout) return;
  const int64_t top = dice.below(h) - knobs.cutout / 2, left = dice.below(w) - knobs.cutout / 2;
  const int64_t y1 = std::max<int64_t>(top, 0), y2 = std::min(top + knobs.cutout, h), x1 = std::max<int64_t>(left, 0),
                x2 = std::min(left + knobs.cutout, w);
  for (int64_t p = 0; p < planes.planes; ++p)
    for (int64_t y = y1; y < y2; ++y) std::fill(out + (p * h + y) * w + x1, out + (p * h + y) * w + x2, 0.f);
}

}  // namespace

Tensor random_views(const Tensor& clean, const Tensor& ids, const ViewKnobs& knobs, const InputSpec& spec, Seed stream) {
  const bool moves = moves_pixels(knobs);
  if (!moves && knobs.noise <= 0) return clean;
  const Tensor in = clean.contiguous();
  Tensor out = at::empty_like(in);
  const Planes planes = moves ? planes_of(spec) : Planes{};
  const int64_t n = in.size(0), length = n ? in.numel() / n : 0;
  const float* from = in.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const int64_t* id = ids.data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i, from += length, to += length) {
    Dice dice(stream.stream("sample", static_cast<uint64_t>(id[i])));
    if (moves)
      view_of_planes(from, to, planes, knobs, dice);
    else
      std::copy(from, from + length, to);
    if (knobs.noise > 0)
      for (int64_t k = 0; k < length; ++k) to[k] += static_cast<float>(knobs.noise * dice.normal());
  }
  return out;
}

double draw_gamma(double shape, Dice& dice) {
  if (shape < 1) return draw_gamma(shape + 1, dice) * std::pow(1 - dice.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = dice.normal(), base = 1 + c * x;
    if (base <= 0) continue;
    const double v = base * base * base;
    if (std::log(1 - dice.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

std::vector<double> mixup_weights(const ViewKnobs& knobs, int64_t images, Dice& dice) {
  std::vector<double> weights(static_cast<size_t>(images));
  double sum = 0;
  for (auto& weight : weights) sum += weight = draw_gamma(knobs.mixup, dice);
  if (!(sum > 0)) return weights.assign(weights.size(), 0), weights[0] = 1, weights;  // all underflowed, at a tiny concentration
  for (auto& weight : weights) weight /= sum;
  if (knobs.mixup_weights == "dirichlet") std::sort(weights.begin(), weights.end(), std::greater<>());
  return weights;
}

Mix draw_mix(const Tensor& ids, const ViewKnobs& knobs, Seed stream) {
  const int64_t b = ids.size(0), m = std::min(knobs.mixup_images, b);
  Mix mix{at::empty({b, m}, at::kLong), at::empty({b, m}, at::kFloat)};
  for (int64_t i = 0; i < b; ++i) {
    Dice dice(stream.stream("mix", static_cast<uint64_t>(ids.data_ptr<int64_t>()[i])));
    int64_t* partner = mix.partners.data_ptr<int64_t>() + i * m;
    partner[0] = i;
    for (int64_t j = 1; j < m;) {
      partner[j] = dice.below(b);
      if (std::find(partner, partner + j, partner[j]) == partner + j) ++j;
    }
    const auto weights = mixup_weights(knobs, m, dice);
    std::copy(weights.begin(), weights.end(), mix.weights.data_ptr<float>() + i * m);
  }
  return mix;
}

Tensor mix_inputs(const Tensor& inputs, const Mix& mix) {
  std::vector<int64_t> column(static_cast<size_t>(inputs.dim()), 1);
  column[0] = mix.weights.size(0);
  Tensor mixed;
  for (int64_t j = 0; j < mix.weights.size(1); ++j) {
    const Tensor part = inputs.index_select(0, mix.partners.select(1, j)).mul_(mix.weights.select(1, j).reshape(column));
    mixed = j ? mixed.add_(part) : part;
  }
  return mixed;
}

Tensor mix_labels(const Tensor& labels, const Mix& mix, int64_t classes) {
  const int64_t b = mix.partners.size(0), m = mix.partners.size(1);
  Tensor targets = at::zeros({b, classes}, at::kFloat);
  const int64_t *label = labels.data_ptr<int64_t>(), *partner = mix.partners.data_ptr<int64_t>();
  const float* weight = mix.weights.data_ptr<float>();
  for (int64_t i = 0; i < b; ++i)
    for (int64_t j = 0; j < m; ++j)
      if (const int64_t y = label[partner[i * m + j]]; y >= 0) targets.data_ptr<float>()[i * classes + y] += weight[i * m + j];
  return targets;
}

void check_views(const ViewKnobs& knobs, const InputSpec& spec, int64_t batch) {
  if (moves_pixels(knobs) && !spec.images())
    throw ConfigError("views: flip, shift, crop_padding, crop_area and cutout need images, the inputs are rows of numbers",
                      "noise and mixup work on any input");
  if (knobs.cutmix > 0 && !spec.images())
    throw ConfigError("views.cutmix: boxes are cut out of images, the inputs are rows of numbers", "mixup works on any input");
  if (knobs.cutmix > 0 && knobs.mixup > 0)
    throw ConfigError("views.cutmix: images are mixed by views.mixup already", "set one of the two to 0");
  if (knobs.mixup > 0 && knobs.mixup_images > batch)
    throw ConfigError(fmt::format("views.mixup_images: a batch of {} images cannot mix {}", batch, knobs.mixup_images),
                      "raise train.batch");
  if (knobs.mixup > 0 && knobs.mixup_weights == "beta" && knobs.mixup_images != 2)
    throw ConfigError(fmt::format("views.mixup_images: beta weights mix 2 images, found {}", knobs.mixup_images),
                      "mixup_weights = \"dirichlet\" mixes any number");
}

}  // namespace retort

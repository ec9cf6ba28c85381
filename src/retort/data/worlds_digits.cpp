// Worlds made of digit images: canvases with boxes and masks, and clips of moving digits.
#include "retort/base/error.h"
#include "retort/data/image.h"
#include "retort/data/worlds.h"

namespace retort {

namespace {

// Digit images [n,h,w] with labels; another part of the set for training than for testing.
struct Glyphs {
  Tensor images, labels;
  int64_t count() const { return images.size(0); }
  int64_t label(int64_t i) const { return labels.data_ptr<int64_t>()[i]; }
};

struct GlyphParts {
  Glyphs train, test;
};

GlyphParts glyph_parts(const std::string& set, Seed seed) {
  DataKnobs knobs;
  knobs.source = set;
  Source source = open_source(knobs, seed);
  Dataset train = std::move(source.train), test = std::move(source.test);
  if (!test.size()) {  // a quarter of the images is kept for the test part
    const Tensor order = permutation(train.size(), seed.stream("glyphs"));
    const int64_t kept = train.size() / 4;
    test = train.take(order.narrow(0, 0, kept));
    train = train.take(order.narrow(0, kept, train.size() - kept));
  }
  return {{train.inputs.squeeze(1).contiguous(), train.labels}, {test.inputs.squeeze(1).contiguous(), test.labels}};
}

struct Box {
  int64_t x1, y1, x2, y2;  // x2, y2 exclusive
  int64_t area() const { return std::max<int64_t>(0, x2 - x1) * std::max<int64_t>(0, y2 - y1); }
};

double overlap(const Box& a, const Box& b) {
  const Box both{std::max(a.x1, b.x1), std::max(a.y1, b.y1), std::min(a.x2, b.x2), std::min(a.y2, b.y2)};
  const double shared = both.x2 > both.x1 && both.y2 > both.y1 ? static_cast<double>(both.area()) : 0;
  return shared / (static_cast<double>(a.area() + b.area()) - shared);
}

constexpr uint8_t kInk = 48;  // darker pixels belong to the background

// The smallest box around the ink of a glyph.
Box ink_box(const Tensor& glyph) {
  const auto pixel = glyph.accessor<uint8_t, 2>();
  Box box{glyph.size(1), glyph.size(0), 0, 0};
  for (int64_t y = 0; y < glyph.size(0); ++y)
    for (int64_t x = 0; x < glyph.size(1); ++x)
      if (pixel[y][x] > kInk) box = {std::min(box.x1, x), std::min(box.y1, y), std::max(box.x2, x + 1), std::max(box.y2, y + 1)};
  return box;
}

// Lays the glyph over the canvas (the brighter pixel wins) and, where wanted, marks its ink in the mask.
void paste(Tensor& canvas, const Tensor& glyph, int64_t left, int64_t top, bool* mask = nullptr) {
  auto out = canvas.accessor<uint8_t, 2>();
  const auto pixel = glyph.accessor<uint8_t, 2>();
  for (int64_t y = 0; y < glyph.size(0); ++y)
    for (int64_t x = 0; x < glyph.size(1); ++x) {
      const int64_t cy = top + y, cx = left + x;
      if (cy < 0 || cx < 0 || cy >= canvas.size(0) || cx >= canvas.size(1)) continue;
      out[cy][cx] = std::max(out[cy][cx], pixel[y][x]);
      if (mask && pixel[y][x] > kInk) mask[cy * canvas.size(1) + cx] = true;
    }
}

void add_noise(Tensor image, double deviation, Dice& dice) {
  if (deviation <= 0) return;
  auto* pixel = image.data_ptr<uint8_t>();
  for (int64_t i = 0; i < image.numel(); ++i)
    pixel[i] = static_cast<uint8_t>(std::clamp(std::round(pixel[i] + 255 * deviation * dice.normal()), 0.0, 255.0));
}

Dataset canvas_part(const WorldKnobs& knobs, const Glyphs& glyphs, int64_t first, int64_t count, Seed seed) {
  const int64_t side = knobs.size ? knobs.size : 48, most = knobs.digits ? knobs.digits : 4;
  const int64_t smallest = knobs.glyph ? knobs.glyph : side / 3, largest = knobs.glyph ? knobs.glyph : side * 5 / 12;
  if (largest > side || smallest < 4)
    throw ConfigError(fmt::format("data.source: digits of {} to {} pixels on a canvas of {}", smallest, largest, side),
                      "expected 4 pixels up to the side");
  Dataset data;
  data.inputs = at::zeros({count, 1, side, side}, at::kByte);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(first, first + count, at::kLong);
  Tensor boxes = at::zeros({count, most, 5}, at::kFloat), masks = at::zeros({count, most, side, side}, at::kBool);
  boxes.select(2, 4).fill_(-1);
  std::vector<int64_t> zeros;  // the glyphs of class 0
  for (int64_t i = 0; i < glyphs.count(); ++i)
    if (glyphs.label(i) == 0) zeros.push_back(i);
  for (int64_t i = 0; i < count; ++i) {
    Dice dice(seed.stream("canvas", static_cast<uint64_t>(first + i)));
    Tensor canvas = data.inputs[i][0];
    const int64_t wanted = 1 + dice.below(most);
    std::vector<Box> placed;
    // A digit that finds no free place in ten tries is left out; the first always finds one.
    for (int64_t tries = 0; static_cast<int64_t>(placed.size()) < wanted && tries < 10 * wanted; ++tries) {
      const bool frequent = knobs.frequent > 0 && dice.chance(knobs.frequent);
      const int64_t which = frequent ? zeros[static_cast<size_t>(dice.below(static_cast<int64_t>(zeros.size())))]
                                     : dice.below(glyphs.count()),
                    height = smallest + dice.below(largest - smallest + 1);
      const Tensor glyph = fit_images(glyphs.images[which], height, height);
      const int64_t left = dice.below(side - height + 1), top = dice.below(side - height + 1);
      const Box ink = ink_box(glyph), box{ink.x1 + left, ink.y1 + top, ink.x2 + left, ink.y2 + top};
      if (box.area() == 0 || std::any_of(placed.begin(), placed.end(), [&](const Box& other) { return overlap(box, other) > 0.05; }))
        continue;
      const auto k = static_cast<int64_t>(placed.size());
      paste(canvas, glyph, left, top, masks[i][k].data_ptr<bool>());
      const Tensor cell = boxes[i][k];
      auto row = cell.accessor<float, 1>();
      row[0] = static_cast<float>(box.x1), row[1] = static_cast<float>(box.y1), row[2] = static_cast<float>(box.x2),
      row[3] = static_cast<float>(box.y2);
      row[4] = static_cast<float>(glyphs.label(which));
      if (k == 0) data.labels.data_ptr<int64_t>()[i] = glyphs.label(which);
      placed.push_back(box);
    }
    add_noise(canvas, knobs.noise, dice);
  }
  data.extra = {{"boxes", boxes}, {"masks", masks}};
  data.spec.shape = {1, side, side};
  for (int c = 0; c < 10; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

constexpr const char* kDirections[] = {"right", "down", "left", "up"};

// Position after `step` steps of one pixel between 0 and `room`, turning at the ends.
int64_t bounced(int64_t start, int64_t step, int64_t room) {
  if (room == 0) return 0;
  const int64_t phase = ((start + step) % (2 * room) + 2 * room) % (2 * room);
  return phase <= room ? phase : 2 * room - phase;
}

Dataset clips_part(const WorldKnobs& knobs, const Glyphs& glyphs, int64_t first, int64_t count, Seed seed) {
  const int64_t side = knobs.size ? knobs.size : 12, digits = knobs.digits ? knobs.digits : 1,
                height = knobs.glyph ? knobs.glyph : side * 2 / 3;
  if (height > side || height < 4)
    throw ConfigError(fmt::format("data.source: digits of {} pixels in clips of {}", height, side), "expected 4 pixels up to the side");
  const Tensor images = fit_images(glyphs.images, height, height);
  Dataset data;
  data.inputs = at::zeros({count, knobs.frames, 1, side, side}, at::kByte);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(first, first + count, at::kLong);
  Tensor shown = at::empty({count, digits}, at::kLong), directions = at::empty({count, digits}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    Dice dice(seed.stream("clip", static_cast<uint64_t>(first + i)));
    Tensor clip = data.inputs[i];
    for (int64_t d = 0; d < digits; ++d) {
      const int64_t which = dice.below(glyphs.count()), direction = dice.below(4), room = side - height;
      const int64_t x = dice.below(room + 1), y = dice.below(room + 1);
      const int64_t dx = direction == 0 ? 1 : direction == 2 ? -1 : 0, dy = direction == 1 ? 1 : direction == 3 ? -1 : 0;
      for (int64_t t = 0; t < knobs.frames; ++t) {
        Tensor frame = clip[t][0];
        paste(frame, images[which], bounced(x, dx * t, room), bounced(y, dy * t, room));
      }
      shown[i][d] = glyphs.label(which);
      directions[i][d] = direction;
    }
    add_noise(clip, knobs.noise, dice);
  }
  const Tensor digit = shown.select(1, 0), direction = directions.select(1, 0);
  data.labels = knobs.label == "digit" ? digit.clone() : knobs.label == "direction" ? direction.clone() : digit * 4 + direction;
  data.extra = {{"digit", shown}, {"direction", directions}};
  data.spec.shape = {knobs.frames, 1, side, side};
  for (int c = 0; c < 10; ++c) {
    if (knobs.label == "digit") data.spec.classes.push_back(std::to_string(c));
    for (const char* way : kDirections)
      if (knobs.label == "both") data.spec.classes.push_back(fmt::format("{} {}", c, way));
  }
  if (knobs.label == "direction") data.spec.classes.assign(std::begin(kDirections), std::end(kDirections));
  return data;
}

template <class Part>
Source both_parts(const WorldKnobs& knobs, Seed seed, Part part) {
  const GlyphParts glyphs = glyph_parts(knobs.glyphs, seed);
  return {part(knobs, glyphs.train, 0, knobs.rows, seed), part(knobs, glyphs.test, knobs.rows, knobs.test_rows, seed), "world", {}};
}

}  // namespace

Source canvas_world(const WorldKnobs& knobs, Seed seed) { return both_parts(knobs, seed, canvas_part); }
Source clips_world(const WorldKnobs& knobs, Seed seed) { return both_parts(knobs, seed, clips_part); }

}  // namespace retort

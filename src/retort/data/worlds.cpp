#include "retort/data/worlds.h"

#include "retort/base/error.h"

namespace retort {

namespace {

constexpr const char* kPrefix = "world:";

Dataset plane_part(const PlaneWorld& world, int64_t first, int64_t count, Seed seed) {
  Dataset data;
  data.inputs = at::empty({count, 2}, at::kFloat);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(first, first + count, at::kLong);
  Tensor density = at::empty({count}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) {
    Dice dice(seed.stream("point", static_cast<uint64_t>(first + i)));
    const Point point = world.draw(dice);
    data.inputs.data_ptr<float>()[2 * i] = static_cast<float>(point.x);
    data.inputs.data_ptr<float>()[2 * i + 1] = static_cast<float>(point.y);
    data.labels.data_ptr<int64_t>()[i] = point.label;
    density.data_ptr<double>()[i] = world.log_density(point.x, point.y);
  }
  data.extra["log_density"] = density;
  data.spec.shape = {2};
  for (int64_t c = 0; c < world.classes; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

}  // namespace

std::string read_options(const std::string& source, const std::string& prefix, const std::string& kind, Knobs& knobs) {
  const std::string body = source.substr(prefix.size());
  size_t at = body.find(',');
  const std::string name = body.substr(0, at);
  while (at != std::string::npos) {
    const size_t next = body.find(',', at + 1);
    const std::string option = body.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    at = next;
    const size_t equals = option.find('=');
    const std::string key = option.substr(0, equals), text = equals == std::string::npos ? "" : option.substr(equals + 1);
    const Knob* knob = knobs.find(key);
    if (!knob) {
      std::vector<std::string> keys;
      for (const auto& known : knobs.all()) keys.push_back(known.name);
      const std::string near = nearest_name(key, keys);
      throw ConfigError(fmt::format("data.source: a {} has no option '{}'", kind, key),
                        near.empty() ? fmt::format("options are {}", fmt::join(keys, ", ")) : "did you mean '" + near + "'?");
    }
    auto refuse = [&] {
      return ConfigError(fmt::format("data.source: {} option {}: expected a {}{}, found '{}'", kind, key, type_name(knob->initial),
                                     knob->range.text.empty() ? "" : " " + knob->range.text, text),
                         knob->help);
    };
    KnobValue value = text;
    if (!std::holds_alternative<std::string>(knob->initial)) {
      char* end = nullptr;
      const double number = std::strtod(text.c_str(), &end);
      if (text.empty() || *end || !std::isfinite(number)) throw refuse();
      if (std::holds_alternative<int64_t>(knob->initial)) {
        if (number != std::floor(number) || std::abs(number) > 1e9) throw refuse();
        value = static_cast<int64_t>(number);
      } else {
        value = number;
      }
    }
    if (knob->range.accepts && !knob->range.accepts(value)) throw refuse();
    knob->set(value);
  }
  return name;
}

void WorldKnobs::describe(Knobs& knobs) {
  knobs("rows", rows, "training rows that are made", between(1, 10000000));
  knobs("test_rows", test_rows, "test rows that are made", between(1, 10000000));
  knobs(
      "noise", noise,
      "standard deviation: of a mode or across a curve (points), of pixel noise in [0, 1] (canvas, clips, textures); -1 is the world's own",
      at_least(-1));
  knobs("radius", radius, "ring8: radius of the circle; 0 is sqrt(2), which with noise 0.12 gives about unit variance", at_least(0));
  knobs("classes", classes, "ring8 and grid25: mode m is of class m mod classes, 0 makes each mode a class; textures: how many, 0 is 6",
        at_least(0));
  knobs("size", size, "canvas, clips, textures: side in pixels; 0 is 48 (canvas), 12 (clips) or 8 (textures)", between(0, 512));
  knobs("digits", digits, "canvas: most digits on one canvas, 0 is 4; clips: digits in a clip, 0 is 1", between(0, 16));
  knobs("glyph", glyph,
        "side of a digit in pixels; 0 draws a third to five twelfths of the side (canvas) or takes two thirds of it (clips)",
        between(0, 512));
  knobs("frames", frames, "clips: frames", between(1, 256));
  knobs("columns", columns, "wide, noisy-digits: columns in all, 0 is 500", between(0, 100000));
  knobs("frequent", frequent, "canvas: share of the digits that are class 0, whatever the others are; 0 leaves them as they come",
        between(0, 1));
  knobs("glyphs", glyphs, "canvas, clips: the set that the digit images come from", one_of({"digits", "mnist"}));
  knobs("label", label, "clips: what a clip's label is", one_of({"digit", "direction", "both"}));
}

bool is_world(const std::string& source) { return source.rfind(kPrefix, 0) == 0; }

std::vector<std::pair<std::string, std::string>> world_forms() {
  return {{"world:ring8", "8 Gaussians on a circle, 2-D points"},
          {"world:grid25", "25 Gaussians on a grid, 2-D points"},
          {"world:moons", "two half circles, 2-D points, 2 classes"},
          {"world:spiral", "one spiral arm in eighths, 2-D points, 8 classes"},
          {"world:pinwheel", "five twisted arms, 2-D points, 5 classes"},
          {"world:checkerboard", "uniform on the dark squares of a board, 2-D points, 8 classes"},
          {"world:canvas", "1-4 digits pasted on a canvas, with boxes and masks"},
          {"world:textures", "gratings with noise, a direction and a wavelength a class"},
          {"world:wide", "a wide table, 2 classes: ten of its columns tell, the rest is noise"},
          {"world:noisy-digits", "a wide table: the pixels of digits among columns of noise"},
          {"world:clips", "clips of moving digits, labelled by digit and direction"}};
}

std::vector<std::string> world_names() {
  std::vector<std::string> names;
  for (const auto& form : world_forms()) names.push_back(form.first);
  return names;
}

Source make_world(const std::string& source, Seed seed) {
  WorldKnobs options;
  Knobs knobs = knobs_of(options);
  const std::string name = read_options(source, kPrefix, "world", knobs);
  Source made;
  if (name == "canvas") {
    made = canvas_world(options, seed);
  } else if (name == "clips") {
    made = clips_world(options, seed);
  } else if (name == "textures") {
    made = textures_world(options, seed);
  } else if (name == "wide") {
    made = wide_world(options, seed);
  } else if (name == "noisy-digits") {
    made = noisy_digits_world(options, seed);
  } else {
    const auto names = world_names();
    if (std::find(names.begin(), names.end(), kPrefix + name) == names.end()) {
      const std::string near = nearest_name(kPrefix + name, names);
      throw ConfigError("data.source: no world '" + name + "'",
                        near.empty() ? fmt::format("worlds are {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?");
    }
    const PlaneWorld world = plane_world(name, options);
    made.train = plane_part(world, 0, options.rows, seed);
    made.test = plane_part(world, options.rows, options.test_rows, seed);
  }
  made.kind = "world";
  made.train.name = made.test.name = source;
  return made;
}

}  // namespace retort

// Generated worlds: data whose truth is known. Reached as data sources by one readable string, "world:NAME,option=value,…".
//
//   world:ring8          Gaussians on a circle (options radius, noise = deviation, classes: mode m belongs to class m mod classes)
//   world:grid25         5x5 Gaussians, two apart
//   world:moons          two half circles with Gaussian noise, 2 classes
//   world:spiral         one arm, r = 0.3 + 1.7 t over 1.5 turns with Gaussian noise; class = the eighth of the arm
//   world:pinwheel       five twisted arms, 5 classes
//   world:checkerboard   uniform on the 8 dark squares of a 4x4 board over [-4, 4]^2, class = square
//   world:canvas         1-4 digits pasted on a canvas: extra boxes [n,k,5] (pixels, x2 and y2 exclusive) and masks [n,k,h,w] bool; label = first digit
//   world:textures       gratings, [1,h,w]: each class has its direction and wavelength; phase, contrast and noise are random
//   world:wide           a table of `columns` standard normal columns, 2 classes: 8 raise or lower the log odds in proportion, 2 by their size without the
//                        sign, the rest says nothing; the names of the columns tell (linear1, absolute1, noise1); extra probability [n] of class 1
//   world:noisy-digits   a table of the 64 pixels of the shipped digits and as many columns of standard normal noise as make `columns`
//   world:clips          moving digits, [t,1,h,w]: label = digit, direction or both; extra digit and direction [n,k]
//
// Points carry extra log_density [n] float64, the exact logarithm of the density they were drawn from. Row i is drawn from the seed and i
// alone. Every world has an official test part; canvases and clips use other digit images there than in training.
#pragma once

#include <functional>
#include <memory>

#include "retort/data/sources.h"

namespace retort {

// The options of a world; negative or 0 means the world's own choice where the help says so.
struct WorldKnobs {
  int64_t rows = 2000, test_rows = 500, classes = 0, size = 0, digits = 0, glyph = 0, frames = 8, columns = 0;
  double noise = -1, radius = 0, frequent = 0;
  std::string glyphs = "digits", label = "both";
  void describe(Knobs& knobs);
};

// "world:moons,noise=0.1" with the prefix "world:" -> "moons", the options set in `knobs`. `kind`: what the source is called in the ConfigError of an
// unknown or wrong option.
std::string read_options(const std::string& source, const std::string& prefix, const std::string& kind, Knobs& knobs);

bool is_world(const std::string& source);                        // starts with "world:"
std::vector<std::string> world_names();                          // "world:moons", …
std::vector<std::pair<std::string, std::string>> world_forms();  // name, what it is; for help and docs
// Throws ConfigError for an unknown world or option (nearest name) and for a value out of range.
Source make_world(const std::string& source, Seed seed);

// A density on the plane with labelled points.
struct Point {
  double x, y;
  int64_t label;
};
struct PlaneWorld {
  int64_t classes;
  std::function<Point(Dice&)> draw;
  std::function<double(double x, double y)> log_density;  // -infinity outside the support
};
PlaneWorld plane_world(const std::string& name, const WorldKnobs& knobs);  // name without "world:"

// Parts of worlds made of digit images; glyphs: [n,h,w] uint8 with labels, cut in two for training and test.
Source canvas_world(const WorldKnobs& knobs, Seed seed);
Source clips_world(const WorldKnobs& knobs, Seed seed);
Source textures_world(const WorldKnobs& knobs, Seed seed);
Source wide_world(const WorldKnobs& knobs, Seed seed);
Source noisy_digits_world(const WorldKnobs& knobs, Seed seed);

}  // namespace retort

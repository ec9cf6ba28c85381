// A search space: named dimensions, each with its scale, and points in it.
#pragma once

#include <string>
#include <vector>

#include "retort/base/random.h"

namespace retort::search {

struct Dimension {
  enum class Kind { real, whole, choice };
  std::string name;
  Kind kind = Kind::real;
  double low = 0, high = 1;          // real, whole; both ends belong to it
  bool log = false;                  // real, whole: even on the scale of logarithms
  std::vector<std::string> choices;  // choice
  int64_t alternatives() const { return static_cast<int64_t>(choices.size()); }
};
// Each throws ConfigError: bounds that are reversed, equal or not finite, the logarithm of 0 or less, no alternatives.
Dimension real(std::string name, double low, double high);
Dimension log_real(std::string name, double low, double high);
Dimension whole(std::string name, double low, double high, bool log = false);
Dimension choice(std::string name, std::vector<std::string> choices);

// The place of a number on its dimension's scale, [0, 1], and back; whole numbers are cells of equal width there, and come back rounded. Numbers
// outside come to the nearest end.
double to_unit(const Dimension& dimension, double value);
double from_unit(const Dimension& dimension, double unit);

using Point = std::vector<double>;  // a value a dimension; of a choice its index

class Space {
 public:
  explicit Space(std::vector<Dimension> dimensions);  // throws ConfigError for no dimension, or two of one name
  const std::vector<Dimension>& dimensions() const { return dimensions_; }
  size_t size() const { return dimensions_.size(); }
  bool has(const std::string& name) const;
  double value(const Point& point, const std::string& name) const;  // throws ConfigError for a name that is not there
  const std::string& choice(const Point& point, const std::string& name) const;
  bool contains(const Point& point) const;

  Point draw(Dice& dice) const;  // even on every scale
  // A point near by: numbers move by a normal step of `scale` on the unit scale, a choice changes with the probability `scale`.
  Point near(const Point& point, double scale, Dice& dice) const;

  // Columns for models that measure distances: a number is its place in [0, 1]; a choice is a column per alternative, so that two are 1 apart.
  int64_t width() const;
  std::vector<double> encode(const Point& point) const;

 private:
  std::vector<Dimension> dimensions_;
  size_t index(const std::string& name) const;
};

}  // namespace retort::search

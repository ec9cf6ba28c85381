#include "retort/search/space.h"

#include "retort/base/error.h"

namespace retort::search {
namespace {

Dimension checked(Dimension d) {
  const auto wrong = [&](const std::string& what) {
    return ConfigError(fmt::format("search: {}: {}", d.name, what), "bounds are [low, high] with low < high; logarithmic ones are above 0");
  };
  if (!std::isfinite(d.low) || !std::isfinite(d.high)) throw wrong("a bound is not a finite number");
  if (d.low >= d.high) throw wrong(fmt::format("the bounds [{}, {}] are not in order", d.low, d.high));
  if (d.log && d.low <= 0) throw wrong(fmt::format("no logarithm of the bound {}", d.low));
  if (d.kind == Dimension::Kind::whole && (std::floor(d.low) != d.low || std::floor(d.high) != d.high))
    throw wrong(fmt::format("the bounds [{}, {}] are not whole numbers", d.low, d.high));
  return d;
}

// The ends of the scale: half a unit beyond those of whole numbers, so that each has a cell of its own.
std::pair<double, double> scale_ends(const Dimension& d) {
  const double margin = d.kind == Dimension::Kind::whole ? 0.5 : 0, low = d.low - margin, high = d.high + margin;
  return d.log ? std::pair(std::log(low), std::log(high)) : std::pair(low, high);
}

}  // namespace

Dimension real(std::string name, double low, double high) {
  return checked({std::move(name), Dimension::Kind::real, low, high, false, {}});
}
Dimension log_real(std::string name, double low, double high) {
  return checked({std::move(name), Dimension::Kind::real, low, high, true, {}});
}
Dimension whole(std::string name, double low, double high, bool log) {
  return checked({std::move(name), Dimension::Kind::whole, low, high, log, {}});
}
Dimension choice(std::string name, std::vector<std::string> choices) {
  if (choices.empty()) throw ConfigError(fmt::format("search: {}: there is nothing to choose from", name), "name at least one alternative");
  return {std::move(name), Dimension::Kind::choice, 0, static_cast<double>(choices.size() - 1), false, std::move(choices)};
}

double to_unit(const Dimension& d, double value) {
  const auto [low, high] = scale_ends(d);
  const double bounded = std::clamp(value, d.low, d.high);
  return std::clamp(((d.log ? std::log(bounded) : bounded) - low) / (high - low), 0.0, 1.0);
}

double from_unit(const Dimension& d, double unit) {
  const auto [low, high] = scale_ends(d);
  const double place = low + std::clamp(unit, 0.0, 1.0) * (high - low), value = d.log ? std::exp(place) : place;
  return std::clamp(d.kind == Dimension::Kind::whole ? std::round(value) : value, d.low, d.high);
}

Space::Space(std::vector<Dimension> dimensions) : dimensions_(std::move(dimensions)) {
  if (dimensions_.empty()) throw ConfigError("search: the space has no dimension", "say what may vary, and between which bounds");
  std::set<std::string> names;
  for (const Dimension& d : dimensions_)
    if (!names.insert(d.name).second)
      throw ConfigError(fmt::format("search: two dimensions are called {}", d.name), "give each a name of its own");
}

bool Space::has(const std::string& name) const {
  return std::any_of(dimensions_.begin(), dimensions_.end(), [&](const Dimension& d) { return d.name == name; });
}

size_t Space::index(const std::string& name) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < dimensions_.size(); ++i) {
    if (dimensions_[i].name == name) return i;
    names.push_back(dimensions_[i].name);
  }
  throw ConfigError(fmt::format("search: no dimension is called {}", name), fmt::format("there are {}", fmt::join(names, ", ")));
}

double Space::value(const Point& point, const std::string& name) const { return point.at(index(name)); }

const std::string& Space::choice(const Point& point, const std::string& name) const {
  const size_t i = index(name);
  return dimensions_[i].choices.at(static_cast<size_t>(point.at(i)));
}

bool Space::contains(const Point& point) const {
  if (point.size() != size()) return false;
  for (size_t i = 0; i < size(); ++i) {
    const Dimension& d = dimensions_[i];
    if (!(point[i] >= d.low && point[i] <= d.high)) return false;
    if (d.kind != Dimension::Kind::real && std::floor(point[i]) != point[i]) return false;
  }
  return true;
}

Point Space::draw(Dice& dice) const {
  Point point;
  for (const Dimension& d : dimensions_)
    point.push_back(d.kind == Dimension::Kind::choice ? static_cast<double>(dice.below(d.alternatives())) : from_unit(d, dice.uniform()));
  return point;
}

Point Space::near(const Point& point, double scale, Dice& dice) const {
  Point moved;
  for (size_t i = 0; i < size(); ++i) {
    const Dimension& d = dimensions_[i];
    if (d.kind == Dimension::Kind::choice)
      moved.push_back(dice.chance(scale) ? static_cast<double>(dice.below(d.alternatives())) : point[i]);
    else
      moved.push_back(from_unit(d, to_unit(d, point[i]) + scale * dice.normal()));
  }
  return moved;
}

int64_t Space::width() const {
  int64_t columns = 0;
  for (const Dimension& d : dimensions_) columns += d.kind == Dimension::Kind::choice ? d.alternatives() : 1;
  return columns;
}

std::vector<double> Space::encode(const Point& point) const {
  std::vector<double> columns;
  for (size_t i = 0; i < size(); ++i) {
    const Dimension& d = dimensions_[i];
    if (d.kind != Dimension::Kind::choice) {
      columns.push_back(to_unit(d, point.at(i)));
      continue;
    }
    for (int64_t c = 0; c < d.alternatives(); ++c) columns.push_back(static_cast<double>(c) == point.at(i) ? std::sqrt(0.5) : 0);
  }
  return columns;
}

}  // namespace retort::search

// Tree-structured Parzen estimators.
#include "retort/search/engine.h"

namespace retort::search {
namespace {

constexpr int64_t kMostGood = 25, kFullWeight = 25;
constexpr double kPriorWeight = 1;

double normal_mass(double u) { return 0.5 * std::erfc(-u / std::sqrt(2.0)); }

// The latest 25 count fully, those before less the older they are.
std::vector<double> by_age(int64_t n) {
  std::vector<double> weights(static_cast<size_t>(n), 1);
  const int64_t fading = n - kFullWeight;
  for (int64_t i = 0; i < fading; ++i) {
    const double least = 1 / static_cast<double>(n);
    weights[static_cast<size_t>(i)] = fading == 1 ? least : least + (1 - least) * static_cast<double>(i) / static_cast<double>(fading - 1);
  }
  return weights;
}

// Mass of the kernels between two places of the unit scale, each kernel cut at its ends.
double kernel_mass(double centre, double width, double low, double high) {
  const double whole = normal_mass((1 - centre) / width) - normal_mass(-centre / width);
  return (normal_mass((high - centre) / width) - normal_mass((low - centre) / width)) / whole;
}

double kernel_density(double centre, double width, double place) {
  const double u = (place - centre) / width, whole = normal_mass((1 - centre) / width) - normal_mass(-centre / width);
  return std::exp(-0.5 * u * u) / (std::sqrt(2 * M_PI) * width * whole);
}

}  // namespace

ParzenDensity::ParzenDensity(const Dimension& dimension, const std::vector<double>& values) : dimension_(dimension) {
  const auto n = static_cast<int64_t>(values.size());
  const std::vector<double> ages = by_age(n);
  const double total = std::accumulate(ages.begin(), ages.end(), kPriorWeight);
  if (dimension.kind == Dimension::Kind::choice) {
    weights_.assign(dimension.choices.size(), kPriorWeight / static_cast<double>(dimension.alternatives()) / total);
    for (size_t i = 0; i < values.size(); ++i) weights_[static_cast<size_t>(values[i])] += ages[i] / total;
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    centres_.push_back(to_unit(dimension, values[i]));
    weights_.push_back(ages[i] / total);
  }
  centres_.push_back(0.5);
  weights_.push_back(kPriorWeight / total);
  // A kernel is as wide as the larger gap to its neighbours, within bounds; the wide one spans the scale.
  std::vector<size_t> order(centres_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return centres_[a] < centres_[b]; });
  const double least = 1 / std::min(100.0, 1 + static_cast<double>(centres_.size()));
  widths_.assign(centres_.size(), 1);
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const size_t i = order[rank];
    if (i + 1 == centres_.size()) continue;
    const double left = rank > 0 ? centres_[i] - centres_[order[rank - 1]] : 0,
                 right = rank + 1 < order.size() ? centres_[order[rank + 1]] - centres_[i] : 0;
    widths_[i] = std::clamp(std::max(left, right), least, 1.0);
  }
}

double ParzenDensity::draw(Dice& dice) const {
  double place = dice.uniform();
  size_t i = 0;
  while (i + 1 < weights_.size() && place >= weights_[i]) place -= weights_[i++];
  if (dimension_.kind == Dimension::Kind::choice) return static_cast<double>(i);
  for (;;) {
    const double unit = centres_[i] + widths_[i] * dice.normal();
    if (unit >= 0 && unit <= 1) return from_unit(dimension_, unit);
  }
}

double ParzenDensity::log_density(double value) const {
  if (dimension_.kind == Dimension::Kind::choice) return std::log(weights_[static_cast<size_t>(value)]);
  double density = 0;
  const bool whole = dimension_.kind == Dimension::Kind::whole;
  double low = 0, high = 0;
  if (whole) {  // the cell of the number on the unit scale
    Dimension wider = dimension_;
    wider.kind = Dimension::Kind::real;
    wider.low -= 0.5;
    wider.high += 0.5;
    low = to_unit(wider, value - 0.5);
    high = to_unit(wider, value + 0.5);
  }
  for (size_t i = 0; i < centres_.size(); ++i) {
    density += weights_[i] * (whole ? kernel_mass(centres_[i], widths_[i], low, high) / (high - low)
                                    : kernel_density(centres_[i], widths_[i], to_unit(dimension_, value)));
  }
  return std::log(density);
}

Point suggest_tpe(const Space& space, const History& history, int64_t candidates, Seed seed) {
  std::vector<size_t> finished;
  for (size_t i = 0; i < history.size(); ++i)
    if (history[i].status == Trial::Status::finished) finished.push_back(i);
  std::stable_sort(finished.begin(), finished.end(), [&](size_t a, size_t b) { return history[a].score > history[b].score; });
  const auto good = static_cast<size_t>(
      std::min<int64_t>(kMostGood, static_cast<int64_t>(std::ceil(0.1 * static_cast<double>(finished.size())))));
  const std::set<size_t> chosen(finished.begin(), finished.begin() + static_cast<ptrdiff_t>(good));

  Point point;
  for (size_t k = 0; k < space.size(); ++k) {
    const Dimension& dimension = space.dimensions()[k];
    std::vector<double> liked, others;
    for (size_t i = 0; i < history.size(); ++i) (chosen.count(i) ? liked : others).push_back(history[i].point.at(k));
    const ParzenDensity l(dimension, liked), g(dimension, others);
    Dice dice(seed.stream(dimension.name));
    double best = 0, best_gain = -std::numeric_limits<double>::infinity();
    for (int64_t c = 0; c < candidates; ++c) {
      const double value = l.draw(dice), gain = l.log_density(value) - g.log_density(value);
      if (gain > best_gain) best = value, best_gain = gain;
    }
    point.push_back(best);
  }
  return point;
}

}  // namespace retort::search

// Densities on the plane, with their exact logarithms.
#include <array>

#include "retort/data/worlds.h"

namespace retort {

namespace {

constexpr double kPi = 3.14159265358979323846;

double log_sum_exp(const std::vector<double>& values) {
  const double top = *std::max_element(values.begin(), values.end());
  if (std::isinf(top)) return top;
  double sum = 0;
  for (double value : values) sum += std::exp(value - top);
  return top + std::log(sum);
}

double log_gaussian(double dx, double dy, double sx, double sy) {
  return -0.5 * (dx * dx / (sx * sx) + dy * dy / (sy * sy)) - std::log(2 * kPi * sx * sy);
}

// Equal isotropic Gaussians.
PlaneWorld mixture(std::vector<std::array<double, 2>> modes, double deviation, int64_t classes) {
  const auto count = static_cast<int64_t>(modes.size());
  if (!classes) classes = count;
  return {std::min(classes, count),
          [=](Dice& dice) {
            const int64_t mode = dice.below(count);
            const auto& [x, y] = modes[static_cast<size_t>(mode)];
            const double dx = deviation * dice.normal(), dy = deviation * dice.normal();
            return Point{x + dx, y + dy, mode % classes};
          },
          [=](double x, double y) {
            std::vector<double> logs;
            for (const auto& mode : modes) logs.push_back(log_gaussian(x - mode[0], y - mode[1], deviation, deviation));
            return log_sum_exp(logs) - std::log(static_cast<double>(count));
          }};
}

// A point of a curve, uniform in its parameter t in [0,1), plus isotropic Gaussian noise. The density is the integral of the Gaussian along
// the curve, by Gauss-Legendre quadrature of 3 nodes on 600 panels: to rounding when a panel is shorter than the noise.
PlaneWorld noisy_curve(int64_t branches, std::function<std::array<double, 2>(int64_t branch, double t)> curve,
                       std::function<int64_t(int64_t branch, double t)> label, int64_t classes, double deviation) {
  struct Node {
    double x, y, log_weight;
  };
  std::vector<Node> nodes;
  constexpr int kPanels = 600;
  const double offset = std::sqrt(0.6) / 2;
  for (int64_t branch = 0; branch < branches; ++branch)
    for (int panel = 0; panel < kPanels; ++panel)
      for (const auto& [at, weight] : {std::pair{0.5 - offset, 5.0 / 18}, std::pair{0.5, 8.0 / 18}, std::pair{0.5 + offset, 5.0 / 18}}) {
        const auto [x, y] = curve(branch, (panel + at) / kPanels);
        nodes.push_back({x, y, std::log(weight / kPanels / static_cast<double>(branches))});
      }
  return {classes,
          [=](Dice& dice) {
            const int64_t branch = dice.below(branches);
            const double t = dice.uniform();
            const auto [x, y] = curve(branch, t);
            const double dx = deviation * dice.normal(), dy = deviation * dice.normal();
            return Point{x + dx, y + dy, label(branch, t)};
          },
          [=](double x, double y) {
            std::vector<double> logs;
            logs.reserve(nodes.size());
            for (const auto& node : nodes) logs.push_back(node.log_weight + log_gaussian(x - node.x, y - node.y, deviation, deviation));
            return log_sum_exp(logs);
          }};
}

PlaneWorld moons(double deviation) {
  return noisy_curve(
      2,
      [](int64_t branch, double t) -> std::array<double, 2> {
        const double angle = kPi * t;
        if (branch == 0) return {std::cos(angle), std::sin(angle)};
        return {1 - std::cos(angle), 0.5 - std::sin(angle)};
      },
      [](int64_t branch, double) { return branch; }, 2, deviation);
}

PlaneWorld spiral(double deviation) {
  return noisy_curve(
      1,
      [](int64_t, double t) -> std::array<double, 2> {
        const double r = 0.3 + 1.7 * t, angle = 3 * kPi * t;
        return {r * std::cos(angle), r * std::sin(angle)};
      },
      [](int64_t, double t) { return static_cast<int64_t>(8 * t); }, 8, deviation);
}

PlaneWorld checkerboard() {
  return {8,
          [](Dice& dice) {
            const int64_t square = dice.below(8), row = square / 2, column = 2 * (square % 2) + row % 2;
            const double x = dice.uniform(), y = dice.uniform();
            return Point{2 * (static_cast<double>(column) + x) - 4, 2 * (static_cast<double>(row) + y) - 4, square};
          },
          [](double x, double y) {
            const bool inside = x >= -4 && x < 4 && y >= -4 && y < 4;
            const bool dark = static_cast<int64_t>(std::floor(x / 2) + std::floor(y / 2)) % 2 == 0;
            return inside && dark ? -std::log(32.0) : -std::numeric_limits<double>::infinity();
          }};
}

// Arms are flat Gaussians at distance 1, twisted by an angle that grows with the radius. Such a twist keeps areas, so the density of a
// point is that of the Gaussian at the untwisted point.
PlaneWorld pinwheel(double across) {
  constexpr int kArms = 5;
  constexpr double along = 0.3, twist = 0.6;
  auto turned = [](double x, double y, double angle) -> std::array<double, 2> {
    return {x * std::cos(angle) - y * std::sin(angle), x * std::sin(angle) + y * std::cos(angle)};
  };
  auto angle = [=](int64_t arm, double radius) { return 2 * kPi * static_cast<double>(arm) / kArms + twist * radius; };
  return {kArms,
          [=](Dice& dice) {
            const int64_t arm = dice.below(kArms);
            const double u = 1 + along * dice.normal(), v = across * dice.normal();
            const auto [x, y] = turned(u, v, angle(arm, std::hypot(u, v)));
            return Point{x, y, arm};
          },
          [=](double x, double y) {
            std::vector<double> logs;
            for (int64_t arm = 0; arm < kArms; ++arm) {
              const auto [u, v] = turned(x, y, -angle(arm, std::hypot(x, y)));
              logs.push_back(log_gaussian(u - 1, v, along, across));
            }
            return log_sum_exp(logs) - std::log(static_cast<double>(kArms));
          }};
}

}  // namespace

PlaneWorld plane_world(const std::string& name, const WorldKnobs& knobs) {
  auto deviation = [&](double own) { return knobs.noise > 0 ? knobs.noise : own; };
  if (name == "moons") return moons(deviation(0.1));
  if (name == "spiral") return spiral(deviation(0.04));
  if (name == "pinwheel") return pinwheel(deviation(0.1));
  if (name == "checkerboard") return checkerboard();
  std::vector<std::array<double, 2>> modes;
  if (name == "grid25") {
    for (int i = 0; i < 25; ++i) modes.push_back({2.0 * (i % 5) - 4, 2.0 * (i / 5) - 4});
    return mixture(std::move(modes), deviation(0.1), knobs.classes);
  }
  const double radius = knobs.radius > 0 ? knobs.radius : std::sqrt(2.0);
  for (int i = 0; i < 8; ++i) modes.push_back({radius * std::cos(kPi * i / 4), radius * std::sin(kPi * i / 4)});
  return mixture(std::move(modes), deviation(0.12), knobs.classes);
}

}  // namespace retort

#include "retort/methods/compress/assistant_choice.h"

#include <algorithm>
#include <cmath>

#include "retort/base/error.h"

namespace retort::compress {

double npsd(double teacher_performance, double performance, double teacher_scale, double scale) {
  if (!(scale < teacher_scale))
    throw ConfigError(fmt::format("npsd: a candidate of scale {} is not smaller than its teacher of {}", scale, teacher_scale),
                      "candidates lie strictly between student and teacher");
  return -(teacher_performance - performance) / (teacher_scale - scale);
}

size_t pick_by_npsd(double teacher_performance, double teacher_scale, const std::vector<double>& performances,
                    const std::vector<double>& scales) {
  size_t best = 0;
  const auto value = [&](size_t i) { return npsd(teacher_performance, performances.at(i), teacher_scale, scales.at(i)); };
  for (size_t i = 1; i < scales.size(); ++i)
    if (value(i) > value(best) || (value(i) == value(best) && scales[i] < scales[best])) best = i;
  return best;
}

std::vector<double> mean_performances(const std::vector<std::vector<double>>& evaluations) {
  std::vector<double> means(evaluations.front().size());
  for (const auto& row : evaluations)
    for (size_t i = 0; i < means.size(); ++i) means[i] += row[i] / static_cast<double>(evaluations.size());
  return means;
}

size_t nearest_scale(const std::vector<double>& scales, double target) {
  const auto nearest = std::min_element(scales.begin(), scales.end(),
                                        [&](double x, double y) { return std::abs(x - target) < std::abs(y - target); });
  return static_cast<size_t>(nearest - scales.begin());
}

std::vector<double> candidate_scales(double student_scale, double teacher_scale, const std::vector<double>& grid, double step) {
  constexpr double kClose = 1e-9;
  std::vector<double> scales = grid;
  if (scales.empty())
    for (int64_t i = 1; static_cast<double>(i) * step < teacher_scale - kClose; ++i)
      if (static_cast<double>(i) * step > student_scale + kClose) scales.push_back(static_cast<double>(i) * step);
  std::sort(scales.begin(), scales.end());
  if (scales.empty())
    throw ConfigError(fmt::format("knobs.grid_step: no multiple of {} lies between the student's scale {:.3g} and its teacher's {:.3g}",
                                  step, student_scale, teacher_scale),
                      "set a smaller step, a smaller student, or knobs.hops = 0");
  for (const double scale : scales)
    if (scale <= student_scale || scale >= teacher_scale)
      throw ConfigError(
          fmt::format("knobs.grid: a candidate of scale {} does not lie between the student's {:.3g} and its teacher's {:.3g}", scale,
                      student_scale, teacher_scale),
          "assistants are larger than the student and smaller than the teacher");
  return scales;
}

std::vector<size_t> sandwich(size_t candidates, int64_t more, Seed seed) {
  std::vector<size_t> chosen = {0};
  if (candidates > 1) chosen.push_back(candidates - 1);
  std::vector<size_t> middle;
  for (size_t i = 1; i + 1 < candidates; ++i) middle.push_back(i);
  Dice dice(seed);
  for (; more > 0 && !middle.empty(); --more) {
    const auto at = middle.begin() + dice.below(static_cast<int64_t>(middle.size()));
    chosen.push_back(*at);
    middle.erase(at);
  }
  return chosen;
}

}  // namespace retort::compress

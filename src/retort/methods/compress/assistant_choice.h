// The rules by which AMD chooses a teacher assistant (34, arXiv 2407.04208, steps 3 and 4).
#pragma once

#include <vector>

#include "retort/base/random.h"

namespace retort::compress {

// Step 4, negative performance-scale derivative: -(P_teacher - P) / (s_teacher - s), the performance lost for each unit of scale removed, negated.
// Throws ConfigError unless s < s_teacher.
double npsd(double teacher_performance, double performance, double teacher_scale, double scale);
// Position of the largest; of equal ones the smaller scale.
size_t pick_by_npsd(double teacher_performance, double teacher_scale, const std::vector<double>& performances,
                    const std::vector<double>& scales);

// Performances of n candidates, [evaluations][n], averaged over the evaluations.
std::vector<double> mean_performances(const std::vector<std::vector<double>>& evaluations);
// Position of the scale nearest to `target`, the first of equally near ones.
size_t nearest_scale(const std::vector<double>& scales, double target);

// Scales of candidates strictly between the student's and the teacher's, ascending: those of `grid`, or where it is empty multiples of `step`.
// Throws ConfigError when nothing lies between, or an entry of the grid lies outside.
std::vector<double> candidate_scales(double student_scale, double teacher_scale, const std::vector<double>& grid, double step);

// Step 3, sandwich rule: positions of the candidates that a step trains: the smallest, the largest, and `more` others at random.
std::vector<size_t> sandwich(size_t candidates, int64_t more, Seed seed);

}  // namespace retort::compress

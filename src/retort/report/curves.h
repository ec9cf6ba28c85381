// Curves over training, from the rows of metrics.jsonl.
#pragma once

#include <vector>

#include "retort/report/charts.h"
#include "retort/report/run_view.h"

namespace retort::report {

using Points = std::vector<std::pair<double, double>>;

// A moving mean over about a twenty-fifth of the curve, when it has more than 100 points: centred, so that a steep start stays where it is,
// and looking back at the end. What is not finite stays a gap and is left out of its neighbours' means.
Points smoothed(const Points& points);
// At most `limit` points: means of equal stretches, the first and the last point kept.
Points thinned(const Points& points, size_t limit = 400);

// One chart a quantity, loss first and learning rate last: a line per phase for one run, a line per run (its student's phase) for
// several. The terms of a loss share one chart a phase where there is one run.
std::vector<Chart> curves(const std::vector<RunView>& runs, const std::vector<std::string>& labels);

}  // namespace retort::report

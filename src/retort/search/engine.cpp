#include "retort/search/engine.h"

#include "retort/base/error.h"
#include "retort/search/gaussian_process.h"

namespace retort::search {
namespace {

constexpr int64_t kSpread = 512, kRefined = 64;  // random points a Gaussian process is asked about; steps from the best of them, a round
constexpr double kSteps[] = {0.2, 0.1, 0.05, 0.02, 0.01};

Tensor encoded(const Space& space, const std::vector<Point>& points) {
  const int64_t rows = static_cast<int64_t>(points.size()), width = space.width();
  Tensor columns = at::empty({rows, width}, at::kDouble);
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = space.encode(points[static_cast<size_t>(i)]);
    std::copy(row.begin(), row.end(), columns.data_ptr<double>() + i * width);
  }
  return columns;
}

}  // namespace

void EngineKnobs::describe(Knobs& knobs) {
  knobs(
      "engine", engine,
      "what suggests the next trial: tpe, densities of good and other trials; gp, expected improvement of a Gaussian process; random draws",
      one_of({"tpe", "gp", "random"}));
  knobs("startup", startup, "trials drawn at random before the engine has its say", at_least(1));
  knobs("candidates", candidates, "tpe: draws from the density of good trials", at_least(1));
}

Point suggest(const Space& space, const History& history, const EngineKnobs& knobs, Seed seed) {
  int64_t ended = 0, finished = 0;
  for (const Trial& trial : history) {
    if (!space.contains(trial.point))
      throw ConfigError("search: a trial of the history lies outside the space", "trials of another space belong to another history");
    if (trial.status == Trial::Status::finished && !std::isfinite(trial.score))
      throw ConfigError("search: a finished trial's score is not finite", "mark it as failed");
    ended += trial.status != Trial::Status::running;
    finished += trial.status == Trial::Status::finished;
  }
  const Seed here = seed.stream("suggest", history.size());
  if (knobs.engine == "random" || ended < knobs.startup || finished == 0) {
    Dice dice(here);
    return space.draw(dice);
  }
  return knobs.engine == "gp" ? suggest_gp(space, history, here) : suggest_tpe(space, history, knobs.candidates, here);
}

Point suggest_gp(const Space& space, const History& history, Seed seed) {
  std::vector<Point> points, running;
  std::vector<double> scores;
  double worst = std::numeric_limits<double>::infinity();
  for (const Trial& trial : history)
    if (trial.status == Trial::Status::finished) worst = std::min(worst, trial.score);
  for (const Trial& trial : history) {
    (trial.status == Trial::Status::running ? running : points).push_back(trial.point);
    if (trial.status != Trial::Status::running) scores.push_back(trial.status == Trial::Status::finished ? trial.score : worst);
  }
  const Tensor raw = at::tensor(scores, at::kDouble);
  const double scale = raw.numel() > 1 ? raw.std().item<double>() : 1;
  Tensor x = encoded(space, points), y = (raw - raw.mean()) / (scale > 0 ? scale : 1);
  GaussianProcess process = fit_gaussian_process(x, y, {}, seed.stream("fit"));
  if (!running.empty()) {  // believe what the process says of them
    const Tensor places = encoded(space, running);
    x = at::cat({x, places});
    y = at::cat({y, process.at(places).mean});
    process = GaussianProcess(x, y, process.kernel(), process.noise(), process.mean());
  }
  const double best_mean = process.at(x).mean.max().item<double>();

  Dice dice(seed.stream("candidates"));
  Point best;
  double best_gain = -1;
  const auto ask = [&](const std::vector<Point>& candidates) {
    const Tensor gains = expected_improvement(process.at(encoded(space, candidates)), best_mean);
    const auto at = gains.argmax().item<int64_t>();
    const double gain = gains[at].item<double>();
    if (gain > best_gain) best = candidates[static_cast<size_t>(at)], best_gain = gain;
  };
  std::vector<Point> candidates;
  for (int64_t i = 0; i < kSpread; ++i) candidates.push_back(space.draw(dice));
  const int64_t incumbent = best_trial(history);
  for (int64_t i = 0; i < kRefined; ++i) candidates.push_back(space.near(history[static_cast<size_t>(incumbent)].point, 0.1, dice));
  ask(candidates);
  for (const double step : kSteps) {
    candidates.clear();
    for (int64_t i = 0; i < kRefined; ++i) candidates.push_back(space.near(best, step, dice));
    ask(candidates);
  }
  return best;
}

History maximise(const Space& space, const std::function<double(const Point&)>& f, int64_t trials, const EngineKnobs& knobs, Seed seed) {
  History history;
  for (int64_t i = 0; i < trials; ++i) {
    Trial trial{suggest(space, history, knobs, seed)};
    trial.score = f(trial.point);
    trial.status = std::isfinite(trial.score) ? Trial::Status::finished : Trial::Status::failed;
    history.push_back(std::move(trial));
  }
  return history;
}

int64_t best_trial(const History& history) {
  int64_t best = -1;
  for (size_t i = 0; i < history.size(); ++i) {
    if (history[i].status != Trial::Status::finished) continue;
    if (best < 0 || history[i].score > history[static_cast<size_t>(best)].score) best = static_cast<int64_t>(i);
  }
  return best;
}

}  // namespace retort::search

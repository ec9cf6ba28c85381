// The paper's illustration as a run: the printed losses again, and what the optimal weights are worth on many noisy draws.
#include "retort/base/progress.h"
#include "retort/methods/self/noisy_sine.h"
#include "retort/methods/self/self_distill.h"

namespace retort::self {
namespace {
using nlohmann::json;

json line(const std::string& name, const std::vector<double>& x, const std::vector<double>& y) {
  json points = json::array();
  for (size_t i = 0; i < x.size(); ++i) points.push_back({x[i], y[i]});
  return {{"name", name}, {"points", points}};
}

}  // namespace

void run_noisy_sine(Run& run, const SelfDistillKnobs& knobs) {
  knobs.weight.check(run.recipe, /*validation_rows=*/1);
  run.open();
  SineStudy study;
  study.kernel = {knobs.kernel, knobs.gamma > 0 ? knobs.gamma : 80};
  study.lambda = knobs.lambda;
  study.noise = knobs.noise;
  study.points = knobs.points;
  study.generations = knobs.generations;
  study.draws = knobs.draws;
  study.grid = knobs.weight.grid_points();
  const SineFindings found = study_noisy_sine(study, run.seed.stream("sine"));

  auto& metrics = run.outcome.metrics;
  metrics = {{"optimal_loss", found.optimal},
             {"clipped_loss", found.clipped},
             {"best_fixed_loss", found.best_fixed()},
             {"grid_mean_loss", found.grid_mean()},
             {"loss_at_0", found.by_weight.front()},
             {"loss_at_1", found.by_weight.back()},
             {"identity_violations", found.identity_violations},
             {"negative_share", found.negative_share},
             {"published_difference", difference_from_published()}};
  // What becomes of weight 0 and weight 1 on the paper's points when the generations go on.
  const SineLosses none = sine_losses(published_sine(), 0, 200), all = sine_losses(published_sine(), 1, 200),
                   some = sine_losses(published_sine(), 0.35, 200);
  metrics["labels_only_change"] = std::abs(all.generations.back() - all.generations.front());
  metrics["collapse_first"] = none.generations[0];
  metrics["collapse_second"] = none.generations[1];
  metrics["collapse_end"] = none.generations.back();
  metrics["limit_distance"] = std::abs(some.generations.back() - some.limit);

  std::vector<double> counts(10);
  std::iota(counts.begin(), counts.end(), 1);
  json series = json::array();
  for (const double weight : {0.0, 0.25, 0.35, 1.0})
    series.push_back(line(fmt::format("weight {}", weight), counts, sine_losses(published_sine(), weight, 10).generations));
  run.outcome.panels.push_back({{"kind", "lines"},
                                {"title", "The paper's eleven points: error against the true sine"},
                                {"x", "generation"},
                                {"y", "mean squared error"},
                                {"series", series}});
  run.outcome.panels.push_back({{"kind", "lines"},
                                {"title", fmt::format("{} noisy draws of {} points", study.draws, study.points)},
                                {"note", fmt::format("Error of generation {} with one weight in every generation; the optimal weights, "
                                                     "chosen anew for each, end at {:.4f} ({:.4f} when clipped to [0, 1]).",
                                                     study.generations, found.optimal, found.clipped)},
                                {"x", "weight of the labels"},
                                {"y", "mean squared error"},
                                {"series",
                                 {line("fixed weight", study.grid, found.by_weight),
                                  line("optimal weights", study.grid, std::vector<double>(study.grid.size(), found.optimal))}}});
  if (!run.quiet) {
    say(fmt::format("{} draws: optimal weights {:.4f} (clipped {:.4f}); fixed ones from {:.4f} to {:.4f} on average, {:.4f} at best",
                    study.draws, found.optimal, found.clipped, found.by_weight.front(), found.by_weight.back(), found.best_fixed()));
  }
}

}  // namespace retort::self

// What to try next: suggestions from the trials so far, by random draws, tree-structured Parzen estimators or a Gaussian process.
//
// A suggestion is a function of the space, the trials and the seed; nothing is kept between calls. Scores are maximised.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "retort/base/knobs.h"
#include "retort/search/space.h"

namespace retort::search {

struct Trial {
  enum class Status { running, finished, failed };
  Point point;
  Status status = Status::running;
  double score = 0;  // of a finished one
};
using History = std::vector<Trial>;  // in the order in which they were begun

struct EngineKnobs {
  std::string engine = "tpe";
  int64_t startup = 10, candidates = 24;
  void describe(Knobs& knobs);
};

// The next point. The first `startup` trials are drawn at random by every engine. Trials that are running count as places already looked at (tpe: not
// among the good; gp: as if they came out as expected), so that several can be suggested before the first one ends; failed ones count as the worst.
// Throws ConfigError for a trial outside the space, or a finished one whose score is not finite.
Point suggest(const Space& space, const History& history, const EngineKnobs& knobs, Seed seed);

// Tree-structured Parzen estimators (Bergstra et al. 2011), dimension by dimension: of `candidates` draws from the density of the good trials, the best
// ceil(n/10) and at most 25, the one where it is largest against the density of the others.
Point suggest_tpe(const Space& space, const History& history, int64_t candidates, Seed seed);
// The largest expected improvement over the best posterior mean at a trial, of a Gaussian process (Matern 5/2, a length-scale a column) fitted to the
// scores: random points, then steps of falling size from the best of them.
Point suggest_gp(const Space& space, const History& history, Seed seed);

// The density of one dimension that TPE works with, on the unit scale: a truncated normal at every value and a wide one over the whole scale, weighted
// alike but for the old of more than 25 values, which fade. `values`: in the order of their trials.
class ParzenDensity {
 public:
  ParzenDensity(const Dimension& dimension, const std::vector<double>& values);
  double draw(Dice& dice) const;  // a value of the dimension
  double log_density(
      double value) const;  // of a number: over the unit scale, of a whole one the mean over its cell; of a choice its probability

 private:
  Dimension dimension_;
  std::vector<double> centres_, widths_, weights_;  // numbers: the kernels; choices: weights_ are the probabilities
};

// Suggests and tries `trials` points one after another; the history.
History maximise(const Space& space, const std::function<double(const Point&)>& f, int64_t trials, const EngineKnobs& knobs, Seed seed);
// Position of the finished trial of the highest score, the earlier of equal ones; -1 without one.
int64_t best_trial(const History& history);

}  // namespace retort::search

// Frozen encoders judged by probes on their features.
#pragma once

#include "retort/stats/probes.h"
#include "retort/train/train.h"

namespace retort {

// The features of every row at a tap as a data set of its own: [n, d], the mean over pixels or tokens where the tap has them; labels, ids and extras stay.
Dataset feature_set(const Net& net, const std::string& tap, const Dataset& data, at::Device device);
// Several encoders' features of the same rows side by side.
Dataset side_by_side(const std::vector<Dataset>& sets);

struct ProbeKnobs {
  int64_t probe_epochs = 10, probe_batch = 256, neighbours = 20;
  double probe_lr = 1e-3;
  void describe(Knobs& knobs);
};
struct Probed {
  LinearReadout readout;       // of the features as they are
  double linear = 0, knn = 0;  // share of test rows decided right
};
// A linear layer on standardised features, trained by AdamW as the phase `phase` of the run, and the vote of the nearest neighbours. Throws DataError where no training row has a label.
Probed probe(Run& run, const std::string& phase, const Dataset& train, const Dataset& test, const ProbeKnobs& knobs, Seed seed);

}  // namespace retort

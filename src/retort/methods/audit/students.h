// Two transparent students of one log, the mimic of the score and the student of the outcome: same class, same bins, same pairs, same rows.
#pragma once

#include "retort/methods/audit/audit_table.h"
#include "retort/stats/inference.h"
#include "retort/surrogates/additive.h"

namespace retort::audit {

struct StudentSettings {
  AdditiveSettings additive;
  int64_t bins = 255, folds = 5, outer = 20, inner = 5;
  bool paired = true, two = true;  // two: also the student of the outcome
};

// Everything that fits share.
struct Workbench {
  BinnedTable table;
  AdditivePlan plan;
  std::vector<float> scaled, outcome;  // S', O
  AdditiveChoice mimic, outcomes;      // rounds, by a held-out fifth
  int64_t rows() const { return table.rows; }
};
Workbench set_up(const AuditTable& log, const std::vector<double>& scaled, const StudentSettings& settings, Seed seed);

// Held-out predictions of both students by K folds, f_S(x) and the probability of O (or its mean), and the residuals S' - f_S, O - f_O.
struct HeldOut {
  std::vector<double> mimic, outcome;  // predictions
  std::vector<double> score_residual, outcome_residual;
};
HeldOut held_out(const Workbench& bench, const std::vector<float>& scaled, const std::vector<float>& outcome, int64_t folds, Seed seed);

// A bin of a feature as the bags saw it.
struct BinView {
  int64_t feature = 0, rows = 0;
  uint8_t code = 0;
  Spread score, outcome, difference;  // of f_S, f_O and D = f_S - f_O
  double p = 1;                       // of D = 0
  bool flagged = false;               // by Benjamini-Hochberg over all bins
};
// Variances are those of little bags, but at least V_within / R. Little bags: `inner` resamples of each of `outer` resamples of the rows, both students on each (unpaired: the outcome student on rows of its own).
// A run that was interrupted is asked before each bag.
std::vector<BinView> compare_bins(const Workbench& bench, const StudentSettings& settings, double level, Seed seed);

// Correlations of the residuals when the score lacks nothing: S and O drawn from the students themselves, refitted, `draws` times.
std::vector<double> null_correlations(const Workbench& bench, const HeldOut& real, int64_t folds, int64_t draws, Seed seed);

}  // namespace retort::audit

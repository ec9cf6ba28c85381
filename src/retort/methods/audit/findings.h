// What an audit found, and its words and pictures for people who do not program.
#pragma once

#include "retort/base/run.h"
#include "retort/methods/audit/score_scale.h"
#include "retort/methods/audit/students.h"

namespace retort::audit {

// How well held-out predictions do.
struct Honesty {
  double mimic_rmse = 0, mimic_r2 = 0, outcome_auc = 0, outcome_rmse = 0;  // auc of a yes-or-no outcome, else rmse
};

struct Findings {
  const AuditTable& log;
  std::string score_name, outcome_name;
  double level = 0.95;
  ScoreScale scale;
  Workbench bench;
  AdditiveModel mimic, outcome;  // on all rows
  std::vector<BinView> bins;     // empty without bags
  HeldOut held;
  CorrelationTest residuals;
  std::vector<double> null;
  bool tested = false;   // whether the missing-feature test may be read
  std::string untested;  // why not
  Honesty transparent, opaque;
  bool missing_features() const;
};

// Neighbouring flagged bins of one sign.
struct FlaggedRange {
  int64_t feature = 0, rows = 0;
  size_t first = 0, last = 0;  // of the feature's bins
  double difference = 0;       // mean D by rows
};
std::vector<FlaggedRange> flagged_ranges(const std::vector<BinView>& bins, bool categories_apart, const std::vector<AuditColumn>& columns);

// "at most 3.5", "4 to 9", "Male", "no value".
std::string range_in_words(const Findings& found, const FlaggedRange& range);

// The panels of the report: the lead, the answers in words, curves, the scale, tests and honesty.
void write_findings(const Findings& found, Outcome& outcome);

}  // namespace retort::audit

// What an auditor has: a log of features, a black box's score and what then happened; from a file, or made up where the truth is known.
#pragma once

#include <string>
#include <vector>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort::audit {

struct AuditColumn {
  std::string name;
  std::vector<std::string> values;  // of a category: what code i means; empty for a number
  bool category() const { return !values.empty(); }
};

struct AuditTable {
  std::string name;
  std::vector<AuditColumn> columns;
  Tensor x;                            // [n, p] float32, NaN where missing; categories by code
  std::vector<double> score, outcome;  // [n]; a yes-or-no outcome is 0 or 1
  bool binary = true;
  int64_t left_out = 0;  // rows without score or outcome
  int64_t rows() const { return static_cast<int64_t>(score.size()); }
};

// Which columns of a file are what. `days`: "NAME=FROM..TO" (or without a name) makes a feature of the days between two columns of dates (YYYY-MM-DD …).
struct AuditSource {
  std::string source, score, outcome;
  std::vector<std::string> features, days, missing;
};
// `source`: a known table ("compas") or a CSV file. Throws ConfigError (no such column, a feature given twice, the score among the features) and
// DataError (a feature that is text, a score or an outcome that is no number, or missing in more than half of the rows).
AuditTable read_audit_table(const AuditSource& source);
// Throws DataError for what cannot be audited: fewer than 200 rows, a constant score or outcome, fewer than 3 different scores, a feature that is the score.
void check_audit_table(const AuditTable& table);

// Six features, an outcome that five of them bear on, and a score that is its log-odds: "full" as it is; "missing": the fifth is kept from the log;
// "planted": the score is `planted` higher where the first lies between kPlantedFrom and kPlantedTo.
inline constexpr double kPlantedFrom = 0.2, kPlantedTo = 0.5;
AuditTable made_up_log(const std::string& kind, int64_t rows, Seed seed, double planted = 0.8);

}  // namespace retort::audit

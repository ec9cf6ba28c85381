// The runs of a proof: every arm with every seed, in worker processes, each kept when done.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "retort/base/recipe.h"

namespace retort {

struct ProofJob {
  std::string arm;
  int64_t seed = 0;
  std::string folder;  // run folder; the result is kept in <folder>.json
  Recipe recipe;
};

struct ProofResult {
  std::map<std::string, double> metrics;
  double seconds = 0, cpu_seconds = 0;
  std::string error;         // empty: it ran to its end
  bool absent_data = false;  // its error, in this process: a known data set that is not on this machine
};

// The kept result of a job, if there is one.
bool find_result(const ProofJob& job, ProofResult& result);

// Runs the jobs that have no kept result; a run that was stopped before goes on where it was. Workers are forked here, so nothing in this
// process may have started tensor threads yet; 0 workers run in this process. `tell` hears of every job as it ends. A failing job leaves its error
// line in its result and the others go on. Throws Interrupted when asked to stop, after the running jobs have written a checkpoint.
std::vector<ProofResult> run_jobs(const std::vector<ProofJob>& jobs, int64_t workers,
                                  const std::function<void(size_t job, const ProofResult&)>& tell);

}  // namespace retort

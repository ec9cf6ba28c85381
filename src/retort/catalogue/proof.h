// The proof engine: arms × seeds, compared pairwise over the seeds, judged against the card's sentences.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "retort/catalogue/proof_file.h"

namespace retort {

struct ProofOptions {
  int64_t seeds = 0;        // 0: as the proof says
  int64_t seed_offset = 0;  // added to every seed: another draw of the same proof
  int64_t jobs = 1;         // worker processes, one tensor thread each; 0: in this process
  std::string data;         // a [data.NAME] of the proof, or empty for the recipe's own
  std::vector<std::string> sets;
  bool quiet = false;
};

struct ProofOutcome {
  nlohmann::json section;             // docs/formats.md, evidence; without expectations' figures where no seed is complete
  std::vector<std::string> failures;  // "arm kd, seed 3: …"
  bool complete() const { return failures.empty(); }
};

// Runs and judges. Results are kept in <cache>/proofs/<id>, by recipe and program, so that a second call goes on and costs nothing where the first was done.
// Throws ConfigError for a recipe or a data variant that cannot be read; Interrupted when asked to stop.
ProofOutcome prove(const Proof& proof, const ProofOptions& options);

// Three steps of every arm in this process, in a folder that is thrown away: does every arm run, and does it report the metrics that are compared?
// An arm whose public data set was never fetched is left out.
struct SmokeOutcome {
  std::vector<std::string> failures, left_out;  // "arm kd, seed 3: …"
};
SmokeOutcome smoke(const Proof& proof);

}  // namespace retort

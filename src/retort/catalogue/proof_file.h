// proofs/<id>.toml: arms, seeds and expectations of a claim.
//
//   recipe = "recipes/kd.hinton.toml"      what every arm starts from
//   claim  = "soft targets beat labels"
//   tuning = "…"                           what was tuned, and that every arm had the same budget
//   tried  = "…"                           where a claim does not hold: what was tried
//   seeds  = 5                             or a list
//   [arms]                                 name = overrides of the recipe, nested or dotted
//   ce = { method = "ce" }
//   kd = { "knobs.temperature" = 4 }
//   [expect]                               see expectation.h; a table may add the card's sentence, and kind = "report" for what must not hold
//   over_ce = { test = "accuracy: kd >= ce + 0.7", claim = "believable test margin: KD >= CE + 0.7" }
//   [data.mnist]                           overrides of the recipe for --data mnist
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "retort/catalogue/expectation.h"

namespace retort {

struct Overrides {
  std::string name, toml, where;  // `toml`: what to lay over a recipe, a line a key
};

struct ProofExpectation {
  std::string name, claim;
  bool must = true;  // false: reported only
  Expectation expectation;
};

struct Proof {
  std::string id, path, recipe, claim, tuning, tried, digest;
  std::vector<int64_t> seeds;
  std::vector<Overrides> arms, data;
  std::vector<ProofExpectation> expectations;
};

// Throws ConfigError with file:line: bad TOML, unknown keys, wrong types, no arms, expectations about arms that are not there.
Proof parse_proof(const std::string& toml, const std::string& path);
// By id ("kd.hinton") or path.
Proof load_proof(const std::string& given);

}  // namespace retort

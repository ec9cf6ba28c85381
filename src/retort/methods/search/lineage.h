// Which earlier trials start and teach the next one (BOSS, 119, arXiv 2304.12666, step 2).
#pragma once

#include "retort/search/engine.h"

namespace retort::search {

// Whose weights a trial starts from and who teaches it, as positions of trials; and how it stands to the first trials, which began at random.
struct Lineage {
  int64_t start = -1, teacher = -1;  // -1: from random weights, without a teacher
  int64_t root = -1, depth = 1;      // the trial at the end of the chain of starts; how many trainings the weights have behind them
};

// Step 2: the k finished trials of the highest scores, best first, the earlier of equal ones before; all of them when there are fewer.
std::vector<int64_t> trial_pool(const History& trials, int64_t k);

enum class Draw { two, same, teacher_only };
// Start and teacher of the next trial from the members of the pool: two different ones at random, one for both, or a teacher alone. With
// `distinct_roots` the teacher is, where there is one, of another root than the start: of the pool, else the best of `ranking` (all, best first).
Lineage draw_members(const std::vector<int64_t>& pool, const std::vector<int64_t>& ranking, const std::vector<Lineage>& lineages, Draw draw,
                     bool distinct_roots, Seed seed);

}  // namespace retort::search

#include "retort/methods/search/lineage.h"

#include <algorithm>

namespace retort::search {

std::vector<int64_t> trial_pool(const History& trials, int64_t k) {
  std::vector<int64_t> finished;
  for (size_t i = 0; i < trials.size(); ++i)
    if (trials[i].status == Trial::Status::finished) finished.push_back(static_cast<int64_t>(i));
  std::stable_sort(finished.begin(), finished.end(),
                   [&](int64_t a, int64_t b) { return trials[static_cast<size_t>(a)].score > trials[static_cast<size_t>(b)].score; });
  if (static_cast<int64_t>(finished.size()) > k) finished.resize(static_cast<size_t>(k));
  return finished;
}

Lineage draw_members(const std::vector<int64_t>& pool, const std::vector<int64_t>& ranking, const std::vector<Lineage>& lineages, Draw draw,
                     bool distinct_roots, Seed seed) {
  Dice dice(seed);
  const auto pick = [&](const std::vector<int64_t>& from) {
    return from[static_cast<size_t>(dice.below(static_cast<int64_t>(from.size())))];
  };
  Lineage drawn;
  drawn.teacher = pick(pool);
  if (draw == Draw::teacher_only) return drawn;
  drawn.start = draw == Draw::same ? drawn.teacher : pick(pool);
  const auto root = [&](int64_t trial) { return lineages[static_cast<size_t>(trial)].root; };
  if (draw == Draw::two) {
    std::vector<int64_t> others;
    for (const int64_t member : pool)
      if (member != drawn.start && (!distinct_roots || root(member) != root(drawn.start))) others.push_back(member);
    if (others.empty() && distinct_roots) {
      const auto outsider = std::find_if(ranking.begin(), ranking.end(), [&](int64_t trial) { return root(trial) != root(drawn.start); });
      if (outsider != ranking.end()) others.push_back(*outsider);
    }
    if (others.empty())
      for (const int64_t member : pool)
        if (member != drawn.start) others.push_back(member);
    drawn.teacher = others.empty() ? drawn.start : pick(others);
  }
  drawn.root = root(drawn.start);
  drawn.depth = lineages[static_cast<size_t>(drawn.start)].depth + 1;
  return drawn;
}

}  // namespace retort::search

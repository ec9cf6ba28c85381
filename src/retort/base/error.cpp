#include "retort/base/error.h"

#include <algorithm>

namespace retort {

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one each.
static size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::string nearest_name(const std::string& given, const std::vector<std::string>& known) {
  const size_t limit = given.size() / 3;
  if (given.size() > 200) return {};  // nobody mistypes that much
  std::string nearest;
  size_t least = limit + 1;
  for (const std::string& name : known) {
    if (name.size() > given.size() + limit) continue;
    const size_t distance = edit_distance(given, name);
    if (distance < least) least = distance, nearest = name;
  }
  return nearest;
}

}  // namespace retort

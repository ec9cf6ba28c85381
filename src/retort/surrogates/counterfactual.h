// What would have to be different for another decision: the nearest leaves of a tree that decide otherwise.
#pragma once

#include "retort/surrogates/rules.h"

namespace retort {

struct Counterfactual {
  Tensor row;                    // [p]: the changed row; it lies in `leaf`
  std::vector<int64_t> changed;  // columns
  int64_t leaf = 0, decision = 0;
  double cost = 0;  // sum over the columns of |change| / spread
};

struct ChangeRules {
  std::vector<Column> columns;  // flags become 0 or 1, and of a group one is set
  std::vector<bool> fixed;      // columns that must stay
  std::vector<double> spread;   // what a change is measured by: the deviation of a column
  double inside = 0;  // how far into the leaf a number goes: 0 just past the boundary, 1 to the middle of the leaf's training rows
};

// Every leaf of another decision than `decision` that can be reached, by rising cost. `rules`: of the tree (rules_of); x: training rows [n, p], which
// say where the middle of a leaf is and which values of a category are common.
std::vector<Counterfactual> counterfactuals(const Tree& tree, const std::vector<Rule>& rules, const Tensor& row, int64_t decision,
                                            const ChangeRules& change, const Tensor& x);

}  // namespace retort

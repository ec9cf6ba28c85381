// What each column adds to one answer: interventional Shapley values. A column outside a coalition takes its values from background rows.
#pragma once

#include "retort/surrogates/tree.h"

namespace retort {

// [p, outputs]: of the margins of a sum of trees at `row` [p], averaged over background rows [m, p]. Exact for any p, leaf by leaf: where the row alone
// fulfils the conditions of the path on the columns A, a background row alone those on B (and one of them the others), the leaf's value goes by
// (|A|-1)! |B|! / (|A|+|B|)! to each of A and by -|A|! (|B|-1)! / (|A|+|B|)! to each of B. The values sum to margin(row) - mean margin(background).
Tensor tree_shapley(const TreeSum& sum, const Tensor& row, const Tensor& background);

// [players, outputs]: of any function [n, p] -> [n, outputs] at `row`, for the columns `players`; the others keep the row's values throughout. Every
// coalition for up to 12 players (all background rows are used), `draws` random orders above, each with a background row.
Tensor shapley(const std::function<Tensor(const Tensor&)>& function, const Tensor& row, const Tensor& background,
               const std::vector<int64_t>& players, int64_t draws, Seed seed);

}  // namespace retort

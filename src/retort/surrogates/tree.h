// Histogram trees with vector leaves, and sums of them: one tree, a forest and boosted trees are all
//   link(base + scale * sum over trees of the value of the leaf that the row falls into).
//
// A split minimises squared error summed over the outputs; with one-hot targets that is the Gini criterion of classification trees.
#pragma once

#include <cstdint>
#include <vector>

#include "retort/base/random.h"
#include "retort/surrogates/binning.h"

namespace retort {

struct TreeNode {
  int32_t column = -1, left = -1, right = -1;  // column -1: a leaf
  float cut = 0;                               // left where x <= cut
  bool missing_left = false;                   // where NaN goes
  int64_t rows = 0;                            // training rows that passed
  bool leaf() const { return column < 0; }
};

struct Tree {
  int64_t outputs = 1;
  std::vector<TreeNode> nodes;  // the first is the root
  std::vector<double> values;   // `outputs` of every node
  const double* value(int64_t node) const { return values.data() + node * outputs; }
  int64_t leaf_of(const float* row) const;
  std::vector<int64_t> leaves() const;
};

struct TreeSettings {
  int64_t depth = 5, min_leaf_rows = 1;
  double min_leaf_share = 0.01;  // of the rows that count
  double column_share = 1;       // of the columns that every split may choose from
  double l2 = 0;
};

// Leaf values sum(gradient) / (sum(weight) + l2); gain sum_c G_c^2 / (W + l2). gradient: [n, k] double, weight: [n] double; rows of weight 0 do
// not count. For a regression of y: gradient = weight * y.
Tree grow_tree(const BinnedTable& x, const Tensor& gradient, const Tensor& weight, const TreeSettings& settings, Seed seed = Seed(0));

enum class Link { identity, logistic };

struct TreeSum {
  std::vector<Tree> trees;
  std::vector<double> base;  // one an output
  double scale = 1;
  Link link = Link::identity;
  int64_t outputs() const { return static_cast<int64_t>(base.size()); }
};

// x: [n, p] float32 -> [n, outputs] double: before the link, and behind it.
Tensor margins(const TreeSum& sum, const Tensor& x);
Tensor predict(const TreeSum& sum, const Tensor& x);
// The leaf of every row, [n] int64.
Tensor leaves_of(const Tree& tree, const Tensor& x);

// One tree for targets [n, k].
TreeSum fit_tree(const BinnedTable& x, const Tensor& targets, const TreeSettings& settings);

// Trees on bootstrap samples of the rows, each split choosing from a third of the columns (Breiman 2001).
struct ForestSettings {
  int64_t trees = 200;
  TreeSettings tree{/*depth=*/12, /*min_leaf_rows=*/3, /*min_leaf_share=*/0, /*column_share=*/1.0 / 3, /*l2=*/0};
};
TreeSum fit_forest(const BinnedTable& x, const Tensor& targets, const ForestSettings& settings, Seed seed);

}  // namespace retort

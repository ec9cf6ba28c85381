#include "retort/surrogates/tree.h"

#include <algorithm>
#include <cmath>

namespace retort {
namespace {

struct Split {
  double gain = 0;
  int64_t column = -1;
  int bin = 0;  // left: bins up to it
  bool missing_left = false;
};

class Grower {
 public:
  Grower(const BinnedTable& x, const Tensor& gradient, const Tensor& weight, const TreeSettings& settings, Seed seed)
      : x_(x),
        gradient_(gradient.to(at::kDouble).contiguous()),
        weight_(weight.to(at::kDouble).contiguous()),
        settings_(settings),
        dice_(seed),
        k_(gradient_.size(1)),
        histogram_(256 * static_cast<size_t>(k_ + 2)) {
    tree_.outputs = k_;
    const double* w = weight_.data_ptr<double>();
    for (int64_t i = 0; i < x.rows; ++i)
      if (w[i] > 0) rows_.push_back(static_cast<int32_t>(i));
    least_ = std::max({int64_t{1}, settings.min_leaf_rows,
                       static_cast<int64_t>(std::ceil(settings.min_leaf_share * static_cast<double>(rows_.size()) - 1e-9))});
    columns_.resize(static_cast<size_t>(x.columns()));
    for (size_t j = 0; j < columns_.size(); ++j) columns_[j] = static_cast<int64_t>(j);
  }

  Tree grow() {
    node(0, rows_.size(), settings_.depth);
    return std::move(tree_);
  }

 private:
  const BinnedTable& x_;
  Tensor gradient_, weight_;
  const TreeSettings& settings_;
  Dice dice_;
  int64_t k_, least_ = 1;
  std::vector<int32_t> rows_;
  std::vector<int64_t> columns_;
  std::vector<double> histogram_;  // of every bin: rows, weight, gradient
  Tree tree_;

  // Sums of rows [first, last): rows, weight, gradient.
  std::vector<double> totals(size_t first, size_t last) const {
    std::vector<double> sums(static_cast<size_t>(k_ + 2), 0);
    for (size_t r = first; r < last; ++r) add(sums.data(), rows_[r]);
    return sums;
  }
  void add(double* sums, int32_t row) const {
    const double* g = gradient_.data_ptr<double>() + row * k_;
    sums[0] += 1;
    sums[1] += weight_.data_ptr<double>()[row];
    for (int64_t c = 0; c < k_; ++c) sums[2 + c] += g[c];
  }
  double score(const double* sums) const {
    double squares = 0;
    for (int64_t c = 0; c < k_; ++c) squares += sums[2 + c] * sums[2 + c];
    return squares / (sums[1] + settings_.l2);
  }

  int32_t node(size_t first, size_t last, int64_t depth) {
    const auto at = static_cast<int32_t>(tree_.nodes.size());
    const std::vector<double> all = totals(first, last);
    tree_.nodes.emplace_back();
    tree_.nodes.back().rows = static_cast<int64_t>(last - first);
    for (int64_t c = 0; c < k_; ++c) tree_.values.push_back(all[1] > 0 ? all[static_cast<size_t>(2 + c)] / (all[1] + settings_.l2) : 0);
    if (depth == 0 || static_cast<int64_t>(last - first) < 2 * least_) return at;
    const Split split = best_split(first, last, all);
    if (split.column < 0) return at;
    const uint8_t* code = x_.column(split.column);
    const auto left = [&](int32_t row) { return code[row] == kMissingBin ? split.missing_left : code[row] <= split.bin; };
    const auto middle = static_cast<size_t>(
        std::stable_partition(rows_.begin() + static_cast<int64_t>(first), rows_.begin() + static_cast<int64_t>(last), left) -
        rows_.begin());
    const int32_t left_node = node(first, middle, depth - 1), right_node = node(middle, last, depth - 1);
    TreeNode& made = tree_.nodes[static_cast<size_t>(at)];
    made.column = static_cast<int32_t>(split.column);
    made.cut = x_.bins.cuts[static_cast<size_t>(split.column)][static_cast<size_t>(split.bin)];
    made.missing_left = split.missing_left;
    made.left = left_node;
    made.right = right_node;
    return at;
  }

  Split best_split(size_t first, size_t last, const std::vector<double>& all) {
    size_t tried = columns_.size();
    if (settings_.column_share < 1) {
      tried = std::max<size_t>(1, static_cast<size_t>(std::lround(settings_.column_share * static_cast<double>(tried))));
      for (size_t j = 0; j < tried; ++j)
        std::swap(columns_[j], columns_[j + static_cast<size_t>(dice_.below(static_cast<int64_t>(columns_.size() - j)))]);
    }
    Split best;
    const double parent = score(all.data());
    best.gain = 1e-12 * std::max(1.0, std::abs(parent));
    for (size_t j = 0; j < tried; ++j) try_column(columns_[j], first, last, all, parent, best);
    return best;
  }

  void try_column(int64_t column, size_t first, size_t last, const std::vector<double>& all, double parent, Split& best) {
    const auto bins = static_cast<int>(x_.bins.cuts[static_cast<size_t>(column)].size()) + 1;
    const size_t width = static_cast<size_t>(k_ + 2);
    if (bins < 2) return;
    std::fill(histogram_.begin(), histogram_.begin() + static_cast<int64_t>(width) * bins, 0.0);
    double* missing = histogram_.data() + width * kMissingBin;
    std::fill(missing, missing + width, 0.0);
    const uint8_t* code = x_.column(column);
    for (size_t r = first; r < last; ++r) add(histogram_.data() + width * code[rows_[r]], rows_[r]);
    std::vector<double> left(width), right(width);
    const bool gaps = missing[0] > 0;
    for (const bool missing_left : {false, true}) {
      if (missing_left && !gaps) break;
      std::fill(left.begin(), left.end(), 0.0);
      if (missing_left) left.assign(missing, missing + width);
      for (int b = 0; b + 1 < bins; ++b) {
        const double* here = histogram_.data() + width * static_cast<size_t>(b);
        if (here[0] == 0) continue;
        for (size_t s = 0; s < width; ++s) left[s] += here[s];
        for (size_t s = 0; s < width; ++s) right[s] = all[s] - left[s];
        if (left[0] < static_cast<double>(least_)) continue;
        if (right[0] < static_cast<double>(least_)) break;
        const double gain = score(left.data()) + score(right.data()) - parent;
        if (gain > best.gain) best = {gain, column, b, gaps ? missing_left : left[0] > right[0]};
      }
    }
  }
};

Tensor as_rows(const Tensor& x) { return x.to(at::kFloat).contiguous(); }

}  // namespace

int64_t Tree::leaf_of(const float* row) const {
  int64_t at = 0;
  while (!nodes[static_cast<size_t>(at)].leaf()) {
    const TreeNode& node = nodes[static_cast<size_t>(at)];
    const float value = row[node.column];
    at = (std::isnan(value) ? node.missing_left : value <= node.cut) ? node.left : node.right;
  }
  return at;
}

std::vector<int64_t> Tree::leaves() const {
  std::vector<int64_t> found;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].leaf()) found.push_back(static_cast<int64_t>(i));
  return found;
}

Tree grow_tree(const BinnedTable& x, const Tensor& gradient, const Tensor& weight, const TreeSettings& settings, Seed seed) {
  return Grower(x, gradient, weight, settings, seed).grow();
}

Tensor leaves_of(const Tree& tree, const Tensor& x) {
  const Tensor rows = as_rows(x);
  Tensor found = at::empty({rows.size(0)}, at::kLong);
  for (int64_t i = 0; i < rows.size(0); ++i) found.data_ptr<int64_t>()[i] = tree.leaf_of(rows.data_ptr<float>() + i * rows.size(1));
  return found;
}

Tensor margins(const TreeSum& sum, const Tensor& x) {
  const Tensor rows = as_rows(x);
  const int64_t n = rows.size(0), p = rows.size(1), k = sum.outputs();
  Tensor made = at::tensor(sum.base, at::kDouble).repeat({n, 1});
  double* out = made.data_ptr<double>();
  for (const Tree& tree : sum.trees)
    for (int64_t i = 0; i < n; ++i) {
      const double* value = tree.value(tree.leaf_of(rows.data_ptr<float>() + i * p));
      for (int64_t c = 0; c < k; ++c) out[i * k + c] += sum.scale * value[c];
    }
  return made;
}

Tensor predict(const TreeSum& sum, const Tensor& x) {
  const Tensor made = margins(sum, x);
  return sum.link == Link::logistic ? made.sigmoid() : made;
}

TreeSum fit_tree(const BinnedTable& x, const Tensor& targets, const TreeSettings& settings) {
  const Tensor y = targets.to(at::kDouble);
  return {{grow_tree(x, y, at::ones({x.rows}, at::kDouble), settings)},
          std::vector<double>(static_cast<size_t>(y.size(1)), 0),
          1,
          Link::identity};
}

TreeSum fit_forest(const BinnedTable& x, const Tensor& targets, const ForestSettings& settings, Seed seed) {
  const Tensor y = targets.to(at::kDouble);
  TreeSum forest{{}, std::vector<double>(static_cast<size_t>(y.size(1)), 0), 1.0 / static_cast<double>(settings.trees), Link::identity};
  for (int64_t t = 0; t < settings.trees; ++t) {
    const Seed own = seed.stream("tree", static_cast<uint64_t>(t));
    Dice dice(own.stream("rows"));
    Tensor counts = at::zeros({x.rows}, at::kDouble);
    for (int64_t i = 0; i < x.rows; ++i) counts.data_ptr<double>()[dice.below(x.rows)] += 1;
    forest.trees.push_back(grow_tree(x, counts.unsqueeze(1) * y, counts, settings.tree, own.stream("columns")));
  }
  return forest;
}

}  // namespace retort

#include "retort/surrogates/attribution.h"

namespace retort {
namespace {

constexpr size_t kMostEnumerated = 12;

double factorial(int64_t n) { return std::tgamma(static_cast<double>(n) + 1); }

// One tree, one pair of rows: follows both at once; where they part, the column belongs to the row (1) or to the background (2) from then on.
struct Pair {
  const Tree& tree;
  const float* row;
  const float* other;
  double* out;  // [p, outputs]
  double factor;
  std::vector<int8_t> side;           // of every column
  std::vector<int32_t> mine, theirs;  // columns on either side

  bool goes_left(const TreeNode& node, float value) const { return std::isnan(value) ? node.missing_left : value <= node.cut; }

  void visit(int64_t at) {
    const TreeNode& node = tree.nodes[static_cast<size_t>(at)];
    if (node.leaf()) return settle(at);
    const bool row_left = goes_left(node, row[node.column]), other_left = goes_left(node, other[node.column]);
    if (row_left == other_left) return visit(row_left ? node.left : node.right);
    int8_t& side_of = side[static_cast<size_t>(node.column)];
    if (side_of == 1) return visit(row_left ? node.left : node.right);
    if (side_of == 2) return visit(other_left ? node.left : node.right);
    side_of = 1;
    mine.push_back(node.column);
    visit(row_left ? node.left : node.right);
    mine.pop_back();
    side_of = 2;
    theirs.push_back(node.column);
    visit(other_left ? node.left : node.right);
    theirs.pop_back();
    side[static_cast<size_t>(node.column)] = 0;
  }

  void settle(int64_t leaf) {
    const auto a = static_cast<int64_t>(mine.size()), b = static_cast<int64_t>(theirs.size());
    if (a + b == 0) return;
    const double all = factorial(a + b);
    if (a > 0) add(leaf, mine, factor * factorial(a - 1) * factorial(b) / all);
    if (b > 0) add(leaf, theirs, -factor * factorial(a) * factorial(b - 1) / all);
  }

  void add(int64_t leaf, const std::vector<int32_t>& columns, double weight) {
    for (const int32_t column : columns)
      for (int64_t c = 0; c < tree.outputs; ++c) out[column * tree.outputs + c] += weight * tree.value(leaf)[c];
  }
};

Tensor enumerated(const std::function<Tensor(const Tensor&)>& function, const Tensor& row, const Tensor& background,
                  const std::vector<int64_t>& players) {
  const size_t k = players.size(), subsets = size_t{1} << k;
  std::vector<Tensor> values;
  Tensor base = row.repeat({background.size(0), 1});
  for (size_t set = 0; set < subsets; ++set) {
    Tensor mixed = base.clone();
    for (size_t i = 0; i < k; ++i)
      if (!(set >> i & 1)) mixed.select(1, players[i]).copy_(background.select(1, players[i]));
    values.push_back(function(mixed).to(at::kDouble).mean(0));
  }
  Tensor found = at::zeros({static_cast<int64_t>(k), values[0].size(0)}, at::kDouble);
  for (size_t set = 0; set < subsets; ++set) {
    const auto size = static_cast<int64_t>(__builtin_popcountll(set));
    for (size_t i = 0; i < k; ++i) {
      if (set >> i & 1) continue;
      const double weight = factorial(size) * factorial(static_cast<int64_t>(k) - size - 1) / factorial(static_cast<int64_t>(k));
      found[static_cast<int64_t>(i)] += weight * (values[set | size_t{1} << i] - values[set]);
    }
  }
  return found;
}

}  // namespace

Tensor tree_shapley(const TreeSum& sum, const Tensor& row, const Tensor& background) {
  const Tensor own = row.to(at::kFloat).contiguous(), others = background.to(at::kFloat).contiguous();
  const int64_t p = own.numel(), m = others.size(0);
  Tensor found = at::zeros({p, sum.outputs()}, at::kDouble);
  for (const Tree& tree : sum.trees)
    for (int64_t i = 0; i < m; ++i) {
      Pair{tree,
           own.data_ptr<float>(),
           others.data_ptr<float>() + i * p,
           found.data_ptr<double>(),
           sum.scale / static_cast<double>(m),
           std::vector<int8_t>(static_cast<size_t>(p), 0),
           {},
           {}}
          .visit(0);
    }
  return found;
}

Tensor shapley(const std::function<Tensor(const Tensor&)>& function, const Tensor& row, const Tensor& background,
               const std::vector<int64_t>& players, int64_t draws, Seed seed) {
  const auto k = static_cast<int64_t>(players.size());
  if (players.size() <= kMostEnumerated) return enumerated(function, row, background, players);
  Tensor found;
  for (int64_t d = 0; d < draws; ++d) {
    const Seed own = seed.stream("draw", static_cast<uint64_t>(d));
    const Tensor order = permutation(k, own);
    Tensor mixed = row.repeat({k + 1, 1});
    const Tensor other = background[Dice(own.stream("row")).below(background.size(0))];
    for (int64_t i = 0; i < k; ++i) {  // row r of the walk has the first r columns of the order in place
      const int64_t column = players[static_cast<size_t>(order[i].item<int64_t>())];
      mixed.select(1, column).slice(0, 0, i + 1).fill_(other[column]);
    }
    const Tensor said = function(mixed).to(at::kDouble);
    if (!found.defined()) found = at::zeros({k, said.size(1)}, at::kDouble);
    found.index_add_(0, order, said.slice(0, 1, k + 1) - said.slice(0, 0, k));
  }
  return found / static_cast<double>(draws);
}

}  // namespace retort

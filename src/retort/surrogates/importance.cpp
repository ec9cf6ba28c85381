#include "retort/surrogates/importance.h"

#include "retort/stats/ranking.h"

namespace retort {
namespace {

// x with some columns shuffled as one; the rest of x is not copied again and again.
class Shuffler {
 public:
  Shuffler(const Answers& model, const Tensor& x, const Tensor& truth, const Worth& worth, int64_t repeats, Seed seed)
      : model_(model), x_(x.contiguous()), work_(x_.clone()), truth_(truth), worth_(worth), repeats_(repeats), seed_(seed) {
    const Tensor said = model(x_);
    asked = x_.size(0);
    base_ = worth(said, truth);
    for (int64_t r = 0; r < repeats; ++r) {
      nulls_.push_back(truth.index_select(0, permutation(x_.size(0), seed.stream("truth", static_cast<uint64_t>(r)))));
      null_base_.push_back(worth(said, nulls_.back()));
    }
  }

  // What shuffling these costs, against the truth and against shuffled truth.
  std::pair<double, double> cost(const std::vector<int64_t>& columns) {
    double real = 0, null = 0;
    const Seed own = seed_.stream("columns", static_cast<uint64_t>(columns[0])).stream("of", columns.size());
    for (int64_t r = 0; r < repeats_; ++r) {
      const Tensor order = permutation(x_.size(0), own.stream("order", static_cast<uint64_t>(r)));
      for (const int64_t j : columns) work_.select(1, j).copy_(x_.select(1, j).index_select(0, order));
      const Tensor said = model_(work_);
      asked += x_.size(0);
      real += base_ - worth_(said, truth_);
      null += null_base_[static_cast<size_t>(r)] - worth_(said, nulls_[static_cast<size_t>(r)]);
    }
    for (const int64_t j : columns) work_.select(1, j).copy_(x_.select(1, j));
    return {real / static_cast<double>(repeats_), null / static_cast<double>(repeats_)};
  }

  int64_t asked = 0;

 private:
  const Answers& model_;
  Tensor x_, work_, truth_;
  const Worth& worth_;
  int64_t repeats_;
  Seed seed_;
  double base_ = 0;
  std::vector<Tensor> nulls_;
  std::vector<double> null_base_;
};

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

void settle(Permutation& found) {
  if (found.null.empty()) return;
  found.null_95 = percentile(found.null, 0.95);
  found.null_max = *std::max_element(found.null.begin(), found.null.end());
}

void note(Permutation& found, const std::vector<int64_t>& group, const std::pair<double, double>& cost) {
  for (const int64_t j : group) {
    found.importance[static_cast<size_t>(j)] = cost.first;
    found.measured[static_cast<size_t>(j)] = true;
  }
  found.null.push_back(cost.second);
}

Permutation blank(int64_t columns) {
  return {std::vector<double>(static_cast<size_t>(columns), 0), std::vector<bool>(static_cast<size_t>(columns), false), {}, 0, 0, 0};
}

}  // namespace

double negative_squared_error(const Tensor& answers, const Tensor& truth) {
  const bool classes = truth.scalar_type() == at::kLong;
  const Tensor said = answers.to(at::kDouble),
               wanted = classes ? at::one_hot(truth, answers.size(1)).to(at::kDouble) : truth.to(at::kDouble).view_as(said);
  return -(said - wanted).square().sum(1).mean().item<double>();
}

double share_decided_right(const Tensor& answers, const Tensor& truth) {
  return answers.argmax(1).eq(truth).to(at::kDouble).mean().item<double>();
}

Groups correlated_groups(const Tensor& x, double above) {
  const int64_t p = x.size(1);
  const Tensor centred = x.to(at::kFloat) - x.to(at::kFloat).mean(0, true), unit = centred / centred.norm(2, 0, true).clamp_min(1e-12);
  std::vector<int64_t> root(static_cast<size_t>(p));
  std::iota(root.begin(), root.end(), 0);
  const std::function<int64_t(int64_t)> top = [&](int64_t j) {
    return root[static_cast<size_t>(j)] == j ? j : root[static_cast<size_t>(j)] = top(root[static_cast<size_t>(j)]);
  };
  const Tensor pairs = at::nonzero(at::mm(unit.t(), unit).abs().triu(1) > above);
  for (int64_t i = 0; i < pairs.size(0); ++i) {
    const int64_t a = top(pairs[i][0].item<int64_t>()), b = top(pairs[i][1].item<int64_t>());
    root[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
  }
  std::map<int64_t, std::vector<int64_t>> by_root;
  for (int64_t j = 0; j < p; ++j) by_root[top(j)].push_back(j);
  Groups groups;
  for (auto& [first, members] : by_root) groups.push_back(std::move(members));
  return groups;
}

Permutation permutation_importance(const Answers& model, const Tensor& x, const Tensor& truth, const Worth& worth, const Groups& groups,
                                   int64_t repeats, Seed seed) {
  Shuffler shuffler(model, x, truth, worth, repeats, seed);
  Permutation found = blank(x.size(1));
  for (const auto& group : groups) note(found, group, shuffler.cost(group));
  found.asked = shuffler.asked;
  settle(found);
  return found;
}

Permutation block_permutation_importance(const Answers& model, const Tensor& x, const Tensor& truth, const Worth& worth,
                                         const Groups& groups, int64_t repeats, Seed seed) {
  Shuffler shuffler(model, x, truth, worth, repeats, seed);
  Permutation found = blank(x.size(1));
  using Block = std::vector<int64_t>;  // places in groups
  const auto count = static_cast<int64_t>(groups.size()), side = std::max<int64_t>(1, std::llround(std::sqrt(static_cast<double>(count))));
  const Tensor order = permutation(count, seed.stream("blocks"));
  std::vector<Block> blocks;
  for (int64_t first = 0; first < count; first += side)
    blocks.emplace_back(order.data_ptr<int64_t>() + first, order.data_ptr<int64_t>() + std::min(first + side, count));
  while (!blocks.empty()) {
    std::vector<std::pair<double, double>> costs;
    std::vector<double> null;
    for (const Block& block : blocks) {
      std::vector<int64_t> columns;
      for (const int64_t g : block)
        columns.insert(columns.end(), groups[static_cast<size_t>(g)].begin(), groups[static_cast<size_t>(g)].end());
      costs.push_back(shuffler.cost(columns));
      null.push_back(costs.back().second);
      if (block.size() == 1) note(found, columns, costs.back());
    }
    const double bar = percentile(null, 0.95);
    std::vector<Block> halves;
    for (size_t b = 0; b < blocks.size(); ++b) {
      if (blocks[b].size() == 1 || costs[b].first <= std::max(bar, 0.0)) continue;
      const auto middle = blocks[b].begin() + static_cast<int64_t>(blocks[b].size() / 2);
      halves.emplace_back(blocks[b].begin(), middle);
      halves.emplace_back(middle, blocks[b].end());
    }
    blocks = std::move(halves);
  }
  found.asked = shuffler.asked;
  settle(found);
  return found;
}

std::vector<double> sensitivity(const Answers& model, const Tensor& x, const Tensor& step, const std::vector<int64_t>& columns) {
  const Tensor base = model(x), top = base.argmax(1, true), said = base.gather(1, top);
  Tensor work = x.clone();
  std::vector<double> found(static_cast<size_t>(x.size(1)), 0);
  for (const int64_t j : columns) {
    Tensor column = work.select(1, j);
    column.add_(step[j]);
    found[static_cast<size_t>(j)] = (model(work).gather(1, top) - said).abs().to(at::kDouble).mean().item<double>();
    column.copy_(x.select(1, j));
  }
  return found;
}

std::vector<double> mean_ranks(const std::vector<std::vector<double>>& opinions) {
  std::vector<double> mean(opinions.at(0).size(), 0);
  for (const auto& opinion : opinions) {
    std::vector<double> falling;
    for (const double value : opinion) falling.push_back(-value);
    const auto ranks = average_ranks(falling);
    for (size_t j = 0; j < mean.size(); ++j) mean[j] += ranks[j] / static_cast<double>(opinions.size());
  }
  return mean;
}

std::vector<int64_t> ranked_columns(const std::vector<double>& ranks) {
  std::vector<int64_t> order(ranks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return ranks[static_cast<size_t>(a)] < ranks[static_cast<size_t>(b)]; });
  return order;
}

}  // namespace retort

#include "retort/surrogates/boosted.h"

#include "retort/base/error.h"

namespace retort {

double boosted_loss(Link loss, const Tensor& margins, const Tensor& targets) {
  if (loss == Link::logistic) return at::binary_cross_entropy_with_logits(margins, targets).item<double>();
  return 0.5 * (margins - targets).square().sum(1).mean().item<double>();
}

TreeSum fit_boosted(const Tensor& x, const Tensor& targets, const BoostedSettings& settings, Seed seed, const Tensor& held_x,
                    const Tensor& held_targets) {
  const Tensor y = targets.to(at::kDouble), held_y = held_targets.defined() ? held_targets.to(at::kDouble) : Tensor();
  const bool logistic = settings.loss == Link::logistic;
  if (logistic && (y.size(1) != 1 || y.min().item<double>() < 0 || y.max().item<double>() > 1)) {
    throw ConfigError(fmt::format("boosted trees: the logistic loss takes one output with targets in [0, 1], found {} outputs", y.size(1)),
                      "use the squared loss");
  }
  const BinnedTable table = bin_table(x);
  const Tensor mean = y.mean(0), start = logistic ? at::logit(mean, 1e-6) : mean;
  TreeSum sum{{}, std::vector<double>(start.data_ptr<double>(), start.data_ptr<double>() + start.numel()), settings.rate, settings.loss};
  Tensor at_rows = start.repeat({y.size(0), 1}), at_held = held_y.defined() ? start.repeat({held_y.size(0), 1}) : Tensor();
  double best = held_y.defined() ? boosted_loss(settings.loss, at_held, held_y) : 0;
  size_t best_size = 0;
  const Tensor ones = at::ones({y.size(0)}, at::kDouble);
  for (int64_t round = 0; round < settings.rounds; ++round) {
    const Tensor said = logistic ? at_rows.sigmoid() : at_rows;
    const Tensor weight = logistic ? (said * (1 - said)).squeeze(1).clamp_min(1e-12) : ones;
    TreeSum step{{grow_tree(table, y - said, weight, settings.tree, seed.stream("round", static_cast<uint64_t>(round)))},
                 std::vector<double>(sum.base.size(), 0),
                 settings.rate,
                 Link::identity};
    at_rows += margins(step, x);
    if (held_y.defined()) at_held += margins(step, held_x);
    sum.trees.push_back(std::move(step.trees[0]));
    if (!held_y.defined() || settings.patience == 0) continue;
    const double loss = boosted_loss(settings.loss, at_held, held_y);
    if (loss < best) {
      best = loss;
      best_size = sum.trees.size();
    } else if (sum.trees.size() >= best_size + static_cast<size_t>(settings.patience)) {
      break;
    }
  }
  if (held_y.defined() && settings.patience > 0) sum.trees.resize(best_size);
  return sum;
}

}  // namespace retort

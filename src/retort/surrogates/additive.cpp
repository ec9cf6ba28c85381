#include "retort/surrogates/additive.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {
namespace {

using Table = std::array<float, 256>;
constexpr int kCells = kPairSide * kPairSide;
static_assert(kCells == 256);

// One term while it is fitted: a column of codes, and what a code is worth.
struct Term {
  const uint8_t* codes;
  bool pair = false, category = false;
  std::vector<uint8_t> used;  // codes that occur, rising
  Table rows{}, curvature{}, delta{};
  std::vector<double> values = std::vector<double>(256, 0);
};

double score(double g, double h, double l2) { return g * g / (h + l2); }

// Best-first tree of up to `leaves` leaves over the bins in `order`; fills the term's delta.
void fit_bins_tree(Term& term, const Table& gradient, const AdditiveSettings& s) {
  std::vector<uint8_t>& order = term.used;
  if (term.category)
    std::sort(order.begin(), order.end(),
              [&](uint8_t a, uint8_t b) { return gradient[a] / (term.curvature[a] + 1e-6F) < gradient[b] / (term.curvature[b] + 1e-6F); });
  struct Leaf {
    size_t begin, end, cut = 0;
    double g = 0, h = 0, gain = 0;
  };
  const auto opened = [&](size_t begin, size_t end) {
    Leaf leaf{begin, end};
    double n = 0;
    for (size_t i = begin; i < end; ++i) leaf.g += gradient[order[i]], leaf.h += term.curvature[order[i]], n += term.rows[order[i]];
    double g = 0, h = 0, rows = 0;
    const double whole = score(leaf.g, leaf.h, s.l2);
    for (size_t i = begin; i + 1 < end; ++i) {
      g += gradient[order[i]], h += term.curvature[order[i]], rows += term.rows[order[i]];
      if (rows < s.min_leaf_rows || n - rows < s.min_leaf_rows) continue;
      const double gain = score(g, h, s.l2) + score(leaf.g - g, leaf.h - h, s.l2) - whole;
      if (gain > leaf.gain) leaf.gain = gain, leaf.cut = i + 1;
    }
    return leaf;
  };
  std::vector<Leaf> leaves{opened(0, order.size())};
  while (static_cast<int64_t>(leaves.size()) < s.leaves) {
    const auto best = std::max_element(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) { return a.gain < b.gain; });
    if (best->cut == 0) break;
    const Leaf parent = *best;
    *best = opened(parent.begin, parent.cut);
    leaves.push_back(opened(parent.cut, parent.end));
  }
  for (const Leaf& leaf : leaves) {
    const double value = s.rate * leaf.g / (leaf.h + s.l2);
    for (size_t i = leaf.begin; i < leaf.end; ++i) term.delta[order[i]] = static_cast<float>(value);
  }
}

// The best cut of a 16 x 16 grid into four quadrants: [row, column] of the first cells behind the cut, and what it takes off.
struct Quadrants {
  int row = 0, column = 0;
  double gain = 0;
  std::array<double, 4> value{};
};
Quadrants best_quadrants(const Table& gradient, const Table& curvature, const Table& rows, double l2, double min_rows) {
  std::array<std::array<std::array<double, 3>, kPairSide + 1>, kPairSide + 1> sums{};
  for (size_t i = 0; i < kPairSide; ++i)
    for (size_t j = 0; j < kPairSide; ++j)
      for (size_t k = 0; k < 3; ++k) {
        const size_t cell = i * kPairSide + j;
        sums[i + 1][j + 1][k] = sums[i][j + 1][k] + sums[i + 1][j][k] - sums[i][j][k] +
                                static_cast<double>(k == 0   ? gradient[cell]
                                                    : k == 1 ? curvature[cell]
                                                             : rows[cell]);
      }
  const auto& all = sums[kPairSide][kPairSide];
  Quadrants best;
  for (size_t i = 1; i < kPairSide; ++i)
    for (size_t j = 1; j < kPairSide; ++j) {
      const auto &a = sums[i][j], &left = sums[i][kPairSide], &top = sums[kPairSide][j];
      double gain = -score(all[0], all[1], l2);
      std::array<double, 4> value{};
      bool full = true;
      for (size_t q = 0; q < 4; ++q) {
        const auto part = [&](size_t k) {
          return q == 0 ? a[k] : q == 1 ? left[k] - a[k] : q == 2 ? top[k] - a[k] : all[k] - left[k] - top[k] + a[k];
        };
        const double g = part(0), h = part(1);
        full = full && part(2) >= min_rows;
        gain += score(g, h, l2);
        value[q] = g / (h + l2);
      }
      if (full && gain > best.gain) best = {static_cast<int>(i), static_cast<int>(j), gain, value};
    }
  return best;
}

void fit_quadrants(Term& term, const Table& gradient, const AdditiveSettings& s) {
  term.delta.fill(0);
  const Quadrants best = best_quadrants(gradient, term.curvature, term.rows, s.l2, s.min_leaf_rows);
  if (best.gain <= 0) return;
  for (int i = 0; i < kPairSide; ++i)
    for (int j = 0; j < kPairSide; ++j)
      term.delta[static_cast<size_t>(i * kPairSide + j)] = static_cast<float>(
          s.rate * best.value[static_cast<size_t>(2 * (i >= best.row) + (j >= best.column))]);
}

// Sums by code, four at a time so that rows of one bin need not wait for each other.
Table summed(const uint8_t* codes, const float* values, size_t n) {
  std::array<Table, 4> parts{};
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t k = 0; k < 4; ++k) parts[k][codes[i + k]] += values[i + k];
  for (; i < n; ++i) parts[0][codes[i]] += values[i];
  for (size_t b = 0; b < 256; ++b) parts[0][b] += parts[1][b] + parts[2][b] + parts[3][b];
  return parts[0];
}

std::vector<uint8_t> joint_codes(const BinnedTable& table, const AdditivePlan& plan, int64_t a, int64_t b) {
  const uint8_t *x = table.column(a), *y = table.column(b);
  const Coarse &ca = plan.coarse[static_cast<size_t>(a)], &cb = plan.coarse[static_cast<size_t>(b)];
  std::vector<uint8_t> codes(static_cast<size_t>(table.rows));
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(ca[x[i]] * kPairSide + cb[y[i]]);
  return codes;
}

// The boosting itself. g and h are gradient and curvature times the row's weight; within a round g follows the quadratic model of the loss, and both are
// exact again at the next round.
class Booster {
 public:
  Booster(size_t n, const std::vector<float>& targets, const std::vector<float>& weights, const AdditiveSettings& settings)
      : s_(settings), n_(n), targets_(targets), weights_(weights), g_(n), h_(n), f_(n, 0) {
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<double>(weights[i] * targets[i]), all += static_cast<double>(weights[i]);
    if (!(all > 0)) throw ConfigError("additive model: no row has a weight");
    const double mean = sum / all;
    base = s_.logistic ? std::log(std::clamp(mean, 1e-6, 1 - 1e-6) / (1 - std::clamp(mean, 1e-6, 1 - 1e-6))) : mean;
    std::fill(f_.begin(), f_.end(), static_cast<float>(base));
  }

  Term term(const uint8_t* codes, bool pair, bool category = false, std::vector<uint8_t> used = {}) const {
    Term made;
    made.codes = codes, made.pair = pair, made.category = category, made.used = std::move(used);
    made.rows = summed(codes, weights_.data(), n_);
    made.curvature = made.rows;
    return made;
  }

  void boost(std::vector<Term>& terms, int64_t rounds, const std::function<bool(int64_t, const std::vector<float>&)>& watch) {
    for (int64_t round = 0; round < rounds; ++round) {
      begin_round();
      for (Term& term : terms) {
        if (s_.logistic) term.curvature = summed(term.codes, h_.data(), n_);
        const Table gradient = summed(term.codes, g_.data(), n_);
        if (term.pair)
          fit_quadrants(term, gradient, s_);
        else
          fit_bins_tree(term, gradient, s_);
        for (size_t b = 0; b < 256; ++b) term.values[b] += static_cast<double>(term.delta[b]);
        apply(term);
      }
      if (watch && !watch(round + 1, f_)) return;
    }
  }

  const std::vector<float>& f() const { return f_; }
  double base = 0;

 private:
  const AdditiveSettings& s_;
  size_t n_;
  const std::vector<float>&targets_, &weights_;
  std::vector<float> g_, h_, f_;

  void begin_round() {
    for (size_t i = 0; i < n_; ++i) {
      const float p = s_.logistic ? 1 / (1 + std::exp(-f_[i])) : f_[i];
      g_[i] = weights_[i] * (targets_[i] - p);
      h_[i] = s_.logistic ? weights_[i] * p * (1 - p) : weights_[i];
    }
  }
  void apply(const Term& term) {
    const uint8_t* codes = term.codes;
    const float* delta = term.delta.data();
    for (size_t i = 0; i < n_; ++i) {
      const float step = delta[codes[i]];
      f_[i] += step;
      g_[i] -= h_[i] * step;
    }
  }
};

Coarse coarse_bins(const uint8_t* codes, int64_t rows) {
  std::array<int64_t, 256> counts{};
  for (int64_t i = 0; i < rows; ++i) ++counts[codes[i]];
  const bool missing = counts[kMissingBin] > 0;
  int64_t used = 0;
  for (int b = 0; b < kMissingBin; ++b) used += counts[static_cast<size_t>(b)] > 0;
  const int64_t room = kPairSide - (missing ? 1 : 0), seen = rows - counts[kMissingBin];
  Coarse coarse(256, static_cast<uint8_t>(kPairSide - 1));
  int64_t before = 0, place = 0;
  for (int b = 0; b < kMissingBin; ++b) {
    // Few bins keep one each; many share by rows.
    const int64_t at = used <= room ? place : std::min(room - 1, before * room / std::max<int64_t>(seen, 1));
    coarse[static_cast<size_t>(b)] = static_cast<uint8_t>(std::clamp<int64_t>(at, 0, room - 1));
    before += counts[static_cast<size_t>(b)];
    place += counts[static_cast<size_t>(b)] > 0;
  }
  return coarse;
}

double loss_of(bool logistic, double f, double y) {
  if (!logistic) return (y - f) * (y - f);
  return (f > 0 ? f + std::log1p(std::exp(-f)) : std::log1p(std::exp(f))) - y * f;
}

}  // namespace

AdditivePlan additive_plan(const BinnedTable& table, std::vector<bool> category) {
  AdditivePlan plan;
  plan.category = std::move(category);
  plan.category.resize(static_cast<size_t>(table.columns()), false);
  for (int64_t j = 0; j < table.columns(); ++j) {
    const uint8_t* codes = table.column(j);
    const std::set<uint8_t> used(codes, codes + table.rows);
    plan.used.emplace_back(used.begin(), used.end());
    plan.coarse.push_back(coarse_bins(codes, table.rows));
  }
  return plan;
}

std::vector<double> AdditiveModel::predict(const BinnedTable& table) const {
  std::vector<double> f(static_cast<size_t>(table.rows), base);
  for (int64_t j = 0; j < table.columns(); ++j) {
    const uint8_t* codes = table.column(j);
    for (size_t i = 0; i < f.size(); ++i) f[i] += curves[static_cast<size_t>(j)][codes[i]];
  }
  for (const PairTable& pair : pairs) {
    const uint8_t *x = table.column(pair.a), *y = table.column(pair.b);
    const Coarse &a = coarse[static_cast<size_t>(pair.a)], &b = coarse[static_cast<size_t>(pair.b)];
    for (size_t i = 0; i < f.size(); ++i) f[i] += pair.cells[static_cast<size_t>(a[x[i]] * kPairSide + b[y[i]])];
  }
  return f;
}

AdditiveModel fit_additive(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& targets,
                           const std::vector<float>& weights, const AdditiveSettings& settings, const Watch& watch) {
  const auto n = static_cast<size_t>(table.rows);
  if (targets.size() != n || weights.size() != n)
    throw ConfigError(fmt::format("additive model: {} targets and {} weights for {} rows", targets.size(), weights.size(), n));
  Booster booster(n, targets, weights, settings);
  AdditiveModel model;
  model.logistic = settings.logistic;
  model.base = booster.base;
  model.coarse = plan.coarse;
  const auto stage = [&](std::vector<Term>& terms, bool pairs, int64_t rounds) {
    booster.boost(terms, rounds,
                  watch ? [&, pairs](int64_t round, const std::vector<float>& f) { return watch(pairs, round, f); }
                        : std::function<bool(int64_t, const std::vector<float>&)>());
  };
  std::vector<Term> mains, crossed;
  for (int64_t j = 0; j < table.columns(); ++j)
    mains.push_back(booster.term(table.column(j), false, plan.category[static_cast<size_t>(j)], plan.used[static_cast<size_t>(j)]));
  stage(mains, false, settings.rounds);
  std::vector<std::vector<uint8_t>> joint;
  for (const auto& [a, b] : plan.pairs) joint.push_back(joint_codes(table, plan, a, b));
  for (const auto& codes : joint) crossed.push_back(booster.term(codes.data(), true));
  if (!crossed.empty()) stage(crossed, true, settings.pair_rounds);
  for (Term& term : mains) model.curves.push_back(std::move(term.values));
  for (size_t i = 0; i < crossed.size(); ++i)
    model.pairs.push_back({plan.pairs[i].first, plan.pairs[i].second, std::move(crossed[i].values)});
  purify(model, table, weights);
  return model;
}

AdditivePairs best_pairs(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& residuals,
                         const std::vector<float>& weights, int64_t count) {
  std::vector<float> weighted(residuals.size());
  for (size_t i = 0; i < weighted.size(); ++i) weighted[i] = residuals[i] * weights[i];
  std::vector<std::pair<double, std::pair<int64_t, int64_t>>> found;
  for (int64_t a = 0; a < table.columns(); ++a)
    for (int64_t b = a + 1; b < table.columns(); ++b) {
      const std::vector<uint8_t> codes = joint_codes(table, plan, a, b);
      const Table rows = summed(codes.data(), weights.data(), codes.size());
      const double gain = best_quadrants(summed(codes.data(), weighted.data(), codes.size()), rows, rows, 1, 5).gain;
      if (gain > 0) found.push_back({gain, {a, b}});
    }
  std::stable_sort(found.begin(), found.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
  AdditivePairs best;
  for (size_t i = 0; i < found.size() && static_cast<int64_t>(i) < count; ++i) best.push_back(found[i].second);
  return best;
}

AdditiveChoice choose_rounds(const BinnedTable& table, const AdditivePlan& plan, const std::vector<float>& targets,
                             AdditiveSettings settings, const std::vector<bool>& held_out, int64_t patience) {
  std::vector<float> weights(targets.size());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = held_out[i] ? 0 : 1;
  AdditiveChoice choice;
  choice.settings = settings;
  std::array<double, 2> best = {INFINITY, INFINITY};
  std::array<int64_t, 2> best_round = {0, 0}, last = {0, 0};
  const auto watch = [&](bool pairs, int64_t round, const std::vector<float>& f) {
    double loss = 0, rows = 0;
    for (size_t i = 0; i < f.size(); ++i)
      if (held_out[i]) loss += loss_of(settings.logistic, static_cast<double>(f[i]), static_cast<double>(targets[i])), rows += 1;
    loss /= std::max(rows, 1.0);
    choice.curve.push_back(loss);
    if (!pairs) choice.main_rounds_run = round;
    if (pairs && round == 1) best[1] = best[0];  // pairs have to better the main effects
    last[pairs] = round;
    if (loss < best[pairs] - 1e-5 * choice.curve.front()) best[pairs] = loss, best_round[pairs] = round;
    return round - best_round[pairs] < patience;
  };
  fit_additive(table, plan, targets, weights, settings, watch);
  choice.settings.rounds = std::max<int64_t>(best_round[0], 1);
  choice.settings.pair_rounds = best_round[1];
  const auto falling = [&](int64_t first, int64_t rounds, int64_t allowed) {
    if (rounds < allowed || rounds < 2) return false;
    const double before = choice.curve[static_cast<size_t>(first + rounds - 1 - std::max<int64_t>(rounds / 10, 1))],
                 after = choice.curve[static_cast<size_t>(first + rounds - 1)];
    return before - after > 1e-4 * choice.curve.front();
  };
  choice.still_falling = falling(0, last[0], settings.rounds) || falling(last[0], last[1], settings.pair_rounds);
  return choice;
}

void purify(AdditiveModel& model, const BinnedTable& table, const std::vector<float>& weights) {
  for (PairTable& pair : model.pairs) {
    AdditivePlan plan;
    plan.coarse = model.coarse;
    const std::vector<uint8_t> codes = joint_codes(table, plan, pair.a, pair.b);
    const Table mass = summed(codes.data(), weights.data(), codes.size());
    for (int sweep = 0; sweep < 200; ++sweep) {
      double moved = 0;
      for (const bool by_row : {true, false}) {
        const int64_t column = by_row ? pair.a : pair.b;
        for (int i = 0; i < kPairSide; ++i) {
          const auto cell = [&](int j) { return static_cast<size_t>(by_row ? i * kPairSide + j : j * kPairSide + i); };
          double sum = 0, rows = 0;
          for (int j = 0; j < kPairSide; ++j)
            sum += static_cast<double>(mass[cell(j)]) * pair.cells[cell(j)], rows += static_cast<double>(mass[cell(j)]);
          const double mean = rows > 0 ? sum / rows : 0;
          for (int j = 0; j < kPairSide; ++j) pair.cells[cell(j)] -= mean;
          for (size_t b = 0; b < 256; ++b)
            if (model.coarse[static_cast<size_t>(column)][b] == i) model.curves[static_cast<size_t>(column)][b] += mean;
          moved = std::max(moved, std::abs(mean));
        }
      }
      if (moved < 1e-10) break;
    }
  }
  for (int64_t j = 0; j < table.columns(); ++j) {
    const Table mass = summed(table.column(j), weights.data(), weights.size());
    std::vector<double>& curve = model.curves[static_cast<size_t>(j)];
    double sum = 0, rows = 0;
    for (size_t b = 0; b < 256; ++b) sum += static_cast<double>(mass[b]) * curve[b], rows += static_cast<double>(mass[b]);
    for (double& value : curve) value -= sum / rows;
    model.base += sum / rows;
  }
}

BinnedTable kept_rows(const BinnedTable& table, const std::vector<int64_t>& rows) {
  BinnedTable kept;
  kept.bins = table.bins;
  kept.rows = static_cast<int64_t>(rows.size());
  kept.codes.reserve(rows.size() * static_cast<size_t>(table.columns()));
  for (int64_t j = 0; j < table.columns(); ++j)
    for (const int64_t row : rows) kept.codes.push_back(table.column(j)[row]);
  return kept;
}

}  // namespace retort

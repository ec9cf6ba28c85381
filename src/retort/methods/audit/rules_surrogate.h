// 82 Rules for a black box on a wide table: the columns that matter, a small readable model with its fidelity, rules in words, and single rows explained.
// Interpreting Black-box Machine Learning Models for High Dimensional Datasets, arXiv 2208.13405
#pragma once

#include "retort/methods/audit/black_box.h"
#include "retort/surrogates/counterfactual.h"
#include "retort/surrogates/tree.h"
#include "retort/train/method.h"

namespace retort::audit {

struct RulesKnobs {
  std::string net = "autoencoder-64-32", surrogate = "boosted", target = "probabilities", worth = "squared_error", rules_from = "ensemble";
  std::vector<std::string> methods, fixed, truth;
  double w_r = 1, step = 1, correlated = 0.9, min_leaf = 0.01, rate = 0.1, least_confidence = 0.8, least_coverage = 0.01, inside = 1;
  int64_t k = 0, permutations = 10, probe = 500, blocks_above = 2000, depth = 5, trees = 200, rounds = 200, boosted_depth = 4,
          most_rules = 25, explained = 100, examples = 3;
  bool rivals = false;
  void describe(Knobs& knobs);
};

// The parts of the table: the surrogate learns from `train`, choices are made on `choice`, and what is shown is measured on `test`.
struct Part {
  Tensor x, labels;      // [n, p] float32, [n]
  Tensor said, decided;  // the black box: [n, c] probabilities, [n]
};
struct Exhibit {
  Answers model;
  std::vector<Column> columns;
  std::vector<std::string> classes;
  Part train, choice, test;
  // Targets of the surrogates: P(class 1) of two classes, else every class's, [n, 1 or c].
  Tensor target(const Part& part) const;
  int64_t decide(const double* value) const;  // of such a row
  Tensor decide(const Tensor& values) const;  // [n, 1 or c] -> [n]
};

struct Opinion {
  std::string name;
  std::vector<double> values;  // one a column
};
struct Importance {
  std::vector<Opinion> opinions;
  std::vector<double> ranks;         // mean over the opinions
  std::vector<int64_t> order;        // columns, the most important first
  double null_95 = 0, null_max = 0;  // of the permutation importance
  int64_t asked = 0;
  bool blocks = false;
};

// The columns by importance. `net`: where the black box can be looked into, else null.
Importance weigh_columns(const Exhibit& exhibit, const Net* net, const RulesKnobs& knobs, Seed seed);

struct Fit {
  std::string name;
  std::vector<int64_t> columns;
  TreeSum sum;
  Tensor values(const Tensor& x) const { return predict(sum, x.index_select(1, at::tensor(columns, at::kLong))); }
};
Fit fit_surrogate(const std::string& kind, const Exhibit& exhibit, std::vector<int64_t> columns, const RulesKnobs& knobs, Seed seed);
// The smallest k of 5, 10, 20, 50, 100 and p whose surrogate's R^2 on the choice part is within 0.01 of the best.
struct Choice {
  int64_t k;
  std::vector<std::pair<int64_t, double>> tried;
};
Choice choose_k(const Exhibit& exhibit, const Importance& importance, const RulesKnobs& knobs, Seed seed);

// Rules about the black box, over all columns: tidied, confident on the choice part, at most knobs.most_rules.
std::vector<Rule> find_rules(const Exhibit& exhibit, const Fit& tree, const Fit& boosted, const RulesKnobs& knobs);

// Rows of the test part explained.
struct Explained {
  int64_t row = 0;
  std::string path;                      // of the tree, in words
  std::vector<double> parts, box_parts;  // what each of the surrogate's columns adds to the decided class: surrogate, black box
  double base = 0, value = 0;            // the surrogate's mean over the background, and its answer
  bool found = false, nearest_flips = false;
  Counterfactual change;  // the nearest that flips the black box, else the nearest; over the surrogate's columns
  int64_t now = 0;        // what the black box says of it
  bool flips = false;
};
std::vector<Explained> explain_rows(const Exhibit& exhibit, const Fit& tree, const Fit& main, const RulesKnobs& knobs, Seed seed);

// Panels and table of the report.
void show_importance(Run& run, const Exhibit& exhibit, const Importance& importance, const Choice& choice, const Fit& main);
void show_fidelity(Run& run, const Exhibit& exhibit, const std::vector<Fit>& fits, const std::vector<Rule>& rules, const RulesKnobs& knobs);
void show_rows(Run& run, const Exhibit& exhibit, const Fit& main, const std::vector<Explained>& rows);

Method rules_surrogate();

}  // namespace retort::audit

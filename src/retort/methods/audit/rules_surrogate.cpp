#include "retort/methods/audit/rules_surrogate.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/nets/model_file.h"

namespace retort::audit {

void RulesKnobs::describe(Knobs& knobs) {
  knobs("k", k, "columns that the surrogate reads; 0: the fewest of 5, 10, 20, 50, 100 whose fidelity is within 1 % of the best",
        at_least(0));
  knobs("methods", methods, "opinions about the columns that count; empty: all that can be had",
        one_of({"permutation", "sensitivity", "gradient", "attention", "latent"}));
  knobs("surrogate", surrogate, "the readable model", one_of({"tree", "forest", "boosted"}));
  knobs("target", target, "what surrogates learn: the black box's probabilities, or its decisions alone",
        one_of({"probabilities", "labels"}));
  knobs("depth", depth, "depth of the tree", between(1, 20));
  knobs("min_leaf", min_leaf, "share of the rows that a leaf of the tree holds at least", between(0, 0.5));
  knobs("trees", trees, "trees of the forest", at_least(1));
  knobs("rounds", rounds, "boosted trees", at_least(1));
  knobs("boosted_depth", boosted_depth, "depth of a boosted tree", between(1, 12));
  knobs("rate", rate, "how much of a boosted tree counts", above(0));
  knobs("permutations", permutations, "shuffles of a column", at_least(1));
  knobs("worth", worth, "what shuffling is measured by", one_of({"squared_error", "accuracy"}));
  knobs("correlated", correlated, "columns with a larger correlation are shuffled together", between(0, 1));
  knobs("blocks_above", blocks_above, "with more columns than this, blocks of columns are shuffled first, and those that matter are split",
        at_least(1));
  knobs("probe", probe, "held-out rows, at most, that importance is measured on", at_least(10));
  knobs("step", step, "sensitivity: how far a column is moved, in deviations", above(0));
  knobs("rules_from", rules_from, "where rules come from: the tree alone, or the boosted trees too", one_of({"tree", "ensemble"}));
  knobs("most_rules", most_rules, "rules that are kept", at_least(1));
  knobs("least_coverage", least_coverage, "share of the rows that a rule holds for at least", between(0, 1));
  knobs("least_confidence", least_confidence, "share of these that the black box decides as the rule says, at least", between(0, 1));
  knobs("fixed", fixed, "columns that a counterfactual must leave alone");
  knobs("inside", inside, "counterfactuals: 0 goes just past the boundary of a leaf, 1 to the middle of its rows", between(0, 1));
  knobs("explained", explained, "test rows that counterfactuals are looked for", at_least(0));
  knobs("examples", examples, "of these, rows that the report explains one by one", at_least(0));
  knobs("net", net, "the black box that is trained where the recipe has no [teacher]");
  knobs("w_r", w_r, "weight of the reconstruction of an autoencoder", at_least(0));
  knobs("truth", truth,
        "columns known to matter (a generated world), name* for all that begin so: the run says how many are among the 15 most important");
  knobs("rivals", rivals, "also fit the tree on all columns, and boosted trees on all columns with the true labels");
}

namespace {

void check_data(const Splits& splits, const std::vector<Column>& columns, const RulesKnobs& knobs, const Recipe& recipe) {
  const auto p = static_cast<int64_t>(columns.size());
  if (knobs.k > p)
    throw ConfigError(fmt::format("{}: knobs.k: expected at most {}, the number of columns, found {}", recipe.where("knobs.k"), p, knobs.k),
                      "k = 0 chooses");
  const Dataset& train = splits.train;
  if (train.size() < 50)
    throw DataError(fmt::format("{}: {} training rows, expected at least 50", train.name, train.size()),
                    "a surrogate of fewer says nothing");
  if (train.labels.min().item<int64_t>() == train.labels.max().item<int64_t>())
    throw DataError(fmt::format("{}: every training row is of one class", train.name));
  std::set<std::string> names;
  for (const Column& column : columns)
    if (!names.insert(column.name).second)
      throw DataError(fmt::format("{}: two columns are called '{}'", train.name, column.name),
                      "rename one, or leave it out with data.columns");
  for (const std::string& name : knobs.fixed) {
    const bool known = std::any_of(columns.begin(), columns.end(),
                                   [&](const Column& column) { return column.name == name || column.name.rfind(name + "=", 0) == 0; });
    if (!known) throw ConfigError(fmt::format("{}: knobs.fixed: there is no column '{}'", recipe.where("knobs.fixed"), name));
  }
  const Tensor rows = rows_of(train);
  for (size_t j = 0; j < columns.size(); ++j) {
    const std::string& name = columns[j].name;
    const bool indicator = columns[j].flag && name.size() > 8 && name.compare(name.size() - 8, 8, " missing") == 0;
    if (indicator && rows.select(1, static_cast<int64_t>(j)).min().item<float>() > 0.5f) {
      throw DataError(fmt::format("{}: column '{}' has no value in any training row", train.name, name.substr(0, name.size() - 8)),
                      "leave it out with data.columns");
    }
  }
}

Part part_of(const Dataset& data, const Answers& model) {
  Part part{rows_of(data), data.labels, {}, {}};
  part.said = model(part.x);
  part.decided = part.said.argmax(1);
  return part;
}

// Where the recipe keeps no validation part, a quarter of the training rows stands in for it.
std::pair<Dataset, Dataset> train_and_choice(const Splits& splits, Seed seed) {
  if (splits.validation.size() > 0) return {splits.train, splits.validation};
  const Tensor order = permutation(splits.train.size(), seed.stream("choice"));
  const int64_t held = splits.train.size() / 4;
  return {splits.train.take(order.slice(0, held)), splits.train.take(order.slice(0, 0, held))};
}

void count_truth(Run& run, const Exhibit& exhibit, const Importance& importance, const RulesKnobs& knobs) {
  for (const std::string& name : knobs.truth) {
    const bool prefix = name.back() == '*';
    const std::string stem = prefix ? name.substr(0, name.size() - 1) : name;
    double found = 0;
    for (size_t r = 0; r < std::min<size_t>(15, importance.order.size()); ++r) {
      const std::string& column = exhibit.columns[static_cast<size_t>(importance.order[r])].name;
      found += prefix ? column.rfind(stem, 0) == 0 : column == stem;
    }
    run.outcome.metrics["found_" + stem] = found;
  }
}

void run_rules(Run& run) {
  const auto knobs = read_method_knobs<RulesKnobs>(run);
  ClassifierRun c = prepare_classifier(run, Access::none);
  if (c.teacher && !c.teacher->live())
    throw ConfigError("an audit asks about rows that nobody has seen, and captured signals know none", "give the teacher itself");
  Exhibit exhibit;
  exhibit.columns = columns_of(c.splits.train.spec);
  exhibit.classes = c.splits.train.spec.classes;
  c.splits.train = c.splits.train.take(at::nonzero(c.splits.train.labels >= 0).squeeze(1));
  check_data(c.splits, exhibit.columns, knobs, run.recipe);

  std::optional<Net> own;
  const Net* net = c.teacher ? c.teacher->net() : nullptr;
  if (!c.teacher) {
    own = make_net(knobs.net, c.splits.train.spec.shape, c.splits.train.classes(), run.seed.stream("black box"));
    const auto objective = autoencoder_objective(*own, knobs.w_r);
    c.fit("black-box", *own, *objective);
    own->to(at::kCPU);
    if (run.group.leader()) save_model(run.dir + "/student", *own, c.splits.train.spec);
    net = &*own;
  }
  exhibit.model = own ? answers_of(*own) : answers_of(*c.teacher, c.splits.train.spec.shape);
  const auto [learns, chooses] = train_and_choice(c.splits, run.seed);
  exhibit.train = part_of(learns, exhibit.model);
  exhibit.choice = part_of(chooses, exhibit.model);
  exhibit.test = part_of(c.splits.test, exhibit.model);
  const Tensor wanted = exhibit.target(exhibit.train);
  if ((wanted.max() - wanted.min()).item<double>() < 1e-9)
    throw DataError("the black box gives every row the same answer: there is nothing to explain");

  const Importance importance = weigh_columns(exhibit, net, knobs, run.seed.stream("importance"));
  const Choice choice = choose_k(exhibit, importance, knobs, run.seed.stream("surrogate"));
  const std::vector<int64_t> columns(importance.order.begin(), importance.order.begin() + choice.k);
  std::vector<Fit> fits;
  for (const std::string kind : {"tree", "forest", "boosted"})
    fits.push_back(fit_surrogate(kind, exhibit, columns, knobs, run.seed.stream("surrogate")));
  const Fit main = knobs.surrogate == "tree" ? fits[0] : knobs.surrogate == "forest" ? fits[1] : fits[2];
  const std::vector<Rule> rules = find_rules(exhibit, fits[0], fits[2], knobs);
  const std::vector<Explained> rows = explain_rows(exhibit, fits[0], main, knobs, run.seed.stream("explain"));

  count_truth(run, exhibit, importance, knobs);
  if (knobs.rivals) {
    std::vector<int64_t> all(exhibit.columns.size());
    std::iota(all.begin(), all.end(), 0);
    fits.push_back(fit_surrogate("tree", exhibit, all, knobs, run.seed.stream("surrogate")));
    fits.back().name = "tree, all columns";
    Exhibit truth = exhibit;
    truth.train.decided = exhibit.train.labels;
    RulesKnobs labels = knobs;
    labels.target = "labels";
    fits.push_back(fit_surrogate("boosted", truth, all, labels, run.seed.stream("surrogate")));
    fits.back().name = "boosted on labels, all columns";
  }
  show_importance(run, exhibit, importance, choice, main);
  show_fidelity(run, exhibit, fits, rules, knobs);
  show_rows(run, exhibit, main, rows);
  run.outcome.data = {{"name", c.splits.train.name},
                      {"train", c.splits.train.size()},
                      {"validation", c.splits.validation.size()},
                      {"test", c.splits.test.size()},
                      {"classes", exhibit.classes}};
}

}  // namespace

Method rules_surrogate() {
  MethodInfo info = MethodInfo("rules-surrogate")
                        .paper(82)
                        .in("audit")
                        .idea("say which of many columns a black box hangs on, and what it does with them, in rules and for single rows")
                        .source("arXiv 2208.13405");
  info.verb = "audit";
  return {std::move(info),
          [] {
            RulesKnobs section;
            return knobs_of(section).all();
          },
          run_rules};
}

}  // namespace retort::audit

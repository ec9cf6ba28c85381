#include "retort/methods/teachers/distill_budget.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/soft_targets.h"
#include "retort/stats/ranking.h"
#include "retort/stats/transferability.h"
#include "retort/teachers/similarity.h"
#include "retort/train/source_zoo.h"

namespace retort::teachers {

Loss budget_loss(const Tensor& label_loss, const std::vector<SourceTerm>& terms, double lambda, double temperature) {
  Loss loss;
  loss.add("ce", label_loss, lambda);
  for (const SourceTerm& term : terms) {
    loss.add(term.name, losses::soft_cross_entropy(term.head, at::softmax(term.source / temperature, 1), temperature),
             (1 - lambda) * term.weight);
  }
  return loss;
}

namespace {

constexpr double kLeastWeight = 1e-6;  // a source below that is left out

struct BudgetKnobs {
  std::string metric = "parc", use = "weighted";
  double power = 12, lambda = 0.8, temperature = 1;
  int64_t probe = 500;
  bool audit = false;
  void describe(Knobs& knobs) {
    knobs("metric", metric, "what says how similar a source's task is", one_of(similarity_metric_names()));
    knobs("use", use, "weighted: every source by its similarity; nearest: the most similar one alone; or the name of a source, alone");
    knobs("power", power, "weights are similarity^power: 0 weighs all alike, the larger the nearer to the best alone", at_least(0));
    knobs("lambda", lambda, "weight of the labels; the rest is the sources'", between(0, 1));
    knobs("temperature", temperature, "softmax temperature of sources and heads; below 1 sharpens sources of very many classes", above(0));
    knobs("probe", probe, "labelled samples, at most, that similarity is measured on", at_least(4));
    knobs("audit", audit, "also distil from each source alone, to see how well similarity foretold what it is worth");
  }
};

// The student's own head is the net's last layer; each source has another on the embedding, dropped at the end.
class BudgetObjective : public Objective {
 public:
  BudgetObjective(const BudgetKnobs& knobs, std::vector<ZooTeacher>& sources, std::vector<double> weights)
      : knobs_(knobs), sources_(sources), weights_(std::move(weights)) {}

  std::vector<std::string> student_taps() const override { return {"embedding"}; }

  void setup(Trainer& trainer) override {
    heads_.resize(sources_.size());
    for (size_t s = 0; s < sources_.size(); ++s) {
      if (!used(s)) continue;
      sources_[s].teacher->serve(trainer.data());
      const std::vector<int64_t> shape = trainer.student().tap_shape("embedding");
      heads_[s] = make_net("linear", shape, sources_[s].teacher->classes(), trainer.seed().stream("head", s));
      trainer.learn("head." + sources_[s].name, heads_[s]);
    }
  }

  Loss loss(const Step& step) override {
    std::vector<SourceTerm> terms;
    Wanted wanted;
    wanted.logits = true;
    for (size_t s = 0; s < sources_.size(); ++s) {
      if (!used(s)) continue;
      const Signals said = sources_[s].teacher->ask(step.batch.ids, step.batch.teacher_inputs, step.batch.repeats, wanted);
      terms.push_back({sources_[s].name, weights_[s], heads_[s].forward(step.taps.at("embedding")), said.logits});
    }
    return budget_loss(label_loss(step), terms, knobs_.lambda, knobs_.temperature);
  }

 private:
  const BudgetKnobs& knobs_;
  std::vector<ZooTeacher>& sources_;
  std::vector<double> weights_;
  std::vector<Net> heads_;

  bool used(size_t s) const { return knobs_.lambda < 1 && weights_[s] > kLeastWeight; }
};

struct Similarities {
  std::map<std::string, std::vector<double>> by_metric;  // a value a source
  std::vector<double> of(const std::string& metric) const { return by_metric.at(metric); }
};

Similarities measure(ClassifierRun& c, std::vector<ZooTeacher>& sources, const BudgetKnobs& knobs) {
  const Dataset probe = probe_set(c.splits.train, knobs.probe, c.run.seed.stream("probe"));
  Similarities found;
  for (ZooTeacher& source : sources) {
    const ProbeAnswers answers = ask_about(*source.teacher, probe, c.run.device);
    for (const std::string& metric : similarity_metric_names()) {
      if (metric == knobs.metric || knobs.audit) found.by_metric[metric].push_back(similarity(metric, answers, c.run.seed.stream("folds")));
    }
  }
  return found;
}

std::vector<double> weights_of(const BudgetKnobs& knobs, const std::vector<ZooTeacher>& sources, const std::vector<double>& similarities) {
  const auto alone = [&](size_t s) {
    std::vector<double> weights(sources.size(), 0);
    weights[s] = 1;
    return weights;
  };
  const auto best = static_cast<size_t>(std::max_element(similarities.begin(), similarities.end()) - similarities.begin());
  if (knobs.use == "nearest") return alone(best);
  if (knobs.use == "weighted") {
    if (similarities[best] <= 0)
      warn(fmt::format("no source is similar to the task (the best {} is {:.2f}): all weigh alike", knobs.metric, similarities[best]));
    return similarity_weights(similarities, knobs.power);
  }
  const auto named = std::find_if(sources.begin(), sources.end(), [&](const ZooTeacher& source) { return source.name == knobs.use; });
  return alone(static_cast<size_t>(named - sources.begin()));
}

void check_use(const BudgetKnobs& knobs, const std::vector<ZooEntry>& entries, const Recipe& recipe) {
  const bool known = knobs.use == "weighted" || knobs.use == "nearest" ||
                     std::any_of(entries.begin(), entries.end(), [&](const ZooEntry& entry) { return entry.name == knobs.use; });
  if (!known)
    throw ConfigError(fmt::format("{}: knobs.use: there is no source '{}'", recipe.where("knobs.use"), knobs.use),
                      "weighted, nearest, or the name of a [[knobs.sources]] entry");
}

// One student a source; how their accuracies follow the similarities.
void audit_sources(ClassifierRun& c, const BudgetKnobs& knobs, std::vector<ZooTeacher>& sources, const Similarities& similarities) {
  std::vector<double> accuracies;
  auto& metrics = c.run.outcome.metrics;
  for (size_t s = 0; s < sources.size(); ++s) {
    std::vector<double> weights(sources.size(), 0);
    weights[s] = 1;
    BudgetObjective objective(knobs, sources, weights);
    Net net = c.make_student(c.run.seed.stream("student"));
    c.fit("only-" + sources[s].name, net, objective);
    c.show("only_" + sources[s].name, net);
    accuracies.push_back(100 * score_classifier(c.test_logits(net), c.splits.test.labels).accuracy);
  }
  if (sources.size() < 2) return;
  const auto similar = similarities.of(knobs.metric);
  const auto nearest = static_cast<size_t>(std::max_element(similar.begin(), similar.end()) - similar.begin());
  metrics["nearest_rank"] = 1 + static_cast<double>(std::count_if(accuracies.begin(), accuracies.end(),
                                                                  [&](double accuracy) { return accuracy > accuracies[nearest]; }));
  metrics["best_single"] = *std::max_element(accuracies.begin(), accuracies.end());
  metrics["worst_single"] = *std::min_element(accuracies.begin(), accuracies.end());
  metrics["rank_correlation"] = spearman(similar, accuracies);
  nlohmann::json series = nlohmann::json::array();
  for (const auto& [metric, values] : similarities.by_metric) {
    metrics["rank_correlation_" + metric] = spearman(values, accuracies);
    if (metric != knobs.metric) continue;
    nlohmann::json points = nlohmann::json::array();
    for (size_t s = 0; s < sources.size(); ++s) points.push_back({values[s], accuracies[s]});
    series.push_back({{"name", metric}, {"points", points}});
  }
  c.card.add_panel({{"kind", "scatter"},
                    {"title", "What similarity foretold"},
                    {"note", "A point a source: its similarity, and the accuracy of a student that learned from it alone."},
                    {"x", knobs.metric},
                    {"y", "%"},
                    {"series", series}});
}

void tell(ClassifierRun& c, const BudgetKnobs& knobs, const std::vector<ZooTeacher>& sources, const std::vector<double>& similarities,
          const std::vector<double>& weights) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t s = 0; s < sources.size(); ++s) {
    c.run.outcome.metrics["similarity_" + sources[s].name] = similarities[s];
    c.run.outcome.metrics["weight_" + sources[s].name] = weights[s];
    rows.push_back({{"source", sources[s].name},
                    {"about", sources[s].teacher->about()},
                    {"classes", sources[s].teacher->classes()},
                    {"similarity", similarities[s]},
                    {"weight", weights[s]}});
    if (!c.run.quiet) say(fmt::format("source {}: {} {:.2f}, weight {:.3f}", sources[s].name, knobs.metric, similarities[s], weights[s]));
  }
  c.card.add_panel({{"kind", "table"},
                    {"title", "Sources"},
                    {"columns",
                     {{{"key", "source"}, {"title", "source"}},
                      {{"key", "about"}, {"title", "what it is"}},
                      {{"key", "classes"}, {"title", "classes"}, {"digits", 0}},
                      {{"key", "similarity"}, {"title", knobs.metric}, {"digits", 2}},
                      {{"key", "weight"}, {"title", "weight"}, {"digits", 3}}}},
                    {"rows", rows}});
}

void run_budget(Run& run) {
  const auto knobs = read_method_knobs<BudgetKnobs>(run);
  const std::vector<ZooEntry> entries = read_sources(run, run.recipe.read<DataKnobs>("data"), run.recipe.read<ViewKnobs>("views"));
  check_use(knobs, entries, run.recipe);
  ClassifierRun classifier = prepare_classifier(run, Access::none);
  std::vector<ZooTeacher> sources = make_sources(run, entries, classifier.splits);
  const Similarities similarities = measure(classifier, sources, knobs);
  const std::vector<double> weights = weights_of(knobs, sources, similarities.of(knobs.metric));
  tell(classifier, knobs, sources, similarities.of(knobs.metric), weights);
  if (knobs.audit) audit_sources(classifier, knobs, sources, similarities);
  BudgetObjective objective(knobs, sources, weights);
  Net student = classifier.make_student(run.seed.stream("student"));
  classifier.fit("student", student, objective);
  classifier.conclude(student);
}

}  // namespace

Method distill_budget() {
  return {MethodInfo("distill-budget")
              .paper(54)
              .in("teachers")
              .idea("choose among models of other tasks by a few labels, and learn from their answers to unlabelled samples")
              .source("Borup et al. 2023, arXiv 2304.12314"),
          [] {
            BudgetKnobs section;
            return knobs_of(section).all();
          },
          run_budget};
}

}  // namespace retort::teachers

// The search: rounds of trials, and their report.
#include "retort/methods/search/boss.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/features.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/search/boss_knobs.h"

namespace retort::search {

Loss boss_loss(const Tensor& student, const Tensor& teacher, const Tensor& label_term, double alpha) {
  Loss loss;
  loss.add("ce", label_term, alpha);
  if (alpha < 1) loss.add("sd", losses::mse(student, teacher), 1 - alpha);
  return loss;
}

namespace {

// What the recipe and the point of a trial make of the training.
void apply(const Space& space, const Point& point, TrialPlan& plan) {
  OptimiserKnobs& optimiser = plan.train.optimiser;
  if (space.has("lr")) optimiser.lr = space.value(point, "lr");
  if (space.has("weight_decay")) optimiser.weight_decay = space.value(point, "weight_decay");
  if (space.has("one_minus_momentum"))
    (optimiser.optimiser == "sgd" ? optimiser.momentum : optimiser.beta1) = 1 - space.value(point, "one_minus_momentum");
  if (space.has("batch")) plan.train.batch = static_cast<int64_t>(space.value(point, "batch"));
  if (space.has("net")) plan.net = space.choice(point, "net");
  if (space.has("alpha")) plan.alpha = space.value(point, "alpha");
}

class Campaign {
 public:
  Campaign(ClassifierRun& classifier, const BossKnobs& knobs)
      : c_(classifier),
        knobs_(knobs),
        warmup_space_(knobs.space(false)),
        taught_space_(knobs.space(true)),
        seed_(classifier.run.seed.stream("search")) {}

  void run() {
    while (static_cast<int64_t>(trials_.size()) < knobs_.trials) {
      const auto begun = static_cast<int64_t>(trials_.size()),
                 stop = begun < knobs_.warmup ? std::min(knobs_.warmup, knobs_.trials) : knobs_.trials;
      std::vector<TrialPlan> plans;
      for (int64_t i = begun; i < std::min(begun + knobs_.slots, stop); ++i) plans.push_back(plan(i));
      const std::vector<TrialEnd> ends = run_trials(c_, plans, knobs_.extra_term(), knobs_.score == "balanced_accuracy",
                                                    /*in_children=*/knobs_.slots > 1);
      for (size_t j = 0; j < ends.size(); ++j) finish(static_cast<size_t>(begun) + j, ends[j]);
      write();
    }
  }

  int64_t best() const { return best_trial(trials_); }
  Net model(int64_t trial) const { return trained(c_, plans_[static_cast<size_t>(trial)]); }

  void report() {
    auto& metrics = c_.run.outcome.metrics;
    const auto best_of = [&](size_t first) {
      double most = 0;
      for (size_t i = 0; i < first; ++i)
        if (trials_[i].status == Trial::Status::finished) most = std::max(most, trials_[i].score);
      return 100 * most;
    };
    const size_t n = trials_.size();
    metrics["best_validation"] = best_of(n);
    metrics["best_validation_75"] = best_of((3 * n + 3) / 4);
    metrics["trained_epochs"] = static_cast<double>(epochs_);
    metrics["failed_trials"] = static_cast<double>(
        std::count_if(trials_.begin(), trials_.end(), [](const Trial& t) { return t.status == Trial::Status::failed; }));
    metrics["lineage_depth"] = static_cast<double>(lineages_[static_cast<size_t>(best())].depth);
    std::set<int64_t> roots;
    for (const int64_t member : trial_pool(trials_, knobs_.k)) roots.insert(lineages_[static_cast<size_t>(member)].root);
    metrics["pool_roots"] = static_cast<double>(roots.size());
    nlohmann::json scores = nlohmann::json::array(), so_far = nlohmann::json::array();
    for (size_t i = 0; i < n; ++i) {
      scores.push_back({i + 1, trials_[i].status == Trial::Status::finished ? nlohmann::json(100 * trials_[i].score) : nlohmann::json()});
      so_far.push_back({i + 1, best_of(i + 1)});
    }
    c_.card.add_panel({{"kind", "lines"},
                       {"title", "The search"},
                       {"note", fmt::format("Scores on the validation part; the first {} trials are plain search.",
                                            std::min<int64_t>(knobs_.warmup, static_cast<int64_t>(n)))},
                       {"x", "trial"},
                       {"y", "validation " + std::string(knobs_.score == "accuracy" ? "accuracy" : "balanced accuracy") + ", %"},
                       {"series", {{{"name", "best so far"}, {"points", so_far}}, {{"name", "trial"}, {"points", scores}}}}});
    nlohmann::json columns = {{{"key", "trial"}, {"title", "trial"}, {"digits", 0}},
                              {{"key", "score"}, {"title", "score"}, {"unit", "%"}, {"digits", 2}}};
    for (const Dimension& d : taught_space_.dimensions()) columns.push_back({{"key", d.name}, {"title", d.name}, {"digits", -1}});
    for (const char* key : {"start", "teacher", "depth"}) columns.push_back({{"key", key}, {"title", key}, {"digits", 0}});
    c_.card.add_panel({{"kind", "table"}, {"title", "Trials"}, {"columns", columns}, {"rows", rows()}});
  }

 private:
  ClassifierRun& c_;
  BossKnobs knobs_;
  Space warmup_space_, taught_space_;
  Seed seed_;
  History trials_;  // all; their points are of the warm-up's space first, then of the other
  std::vector<Lineage> lineages_;
  std::vector<TrialPlan> plans_;
  int64_t epochs_ = 0;

  TrialPlan plan(int64_t index) {
    const bool taught = index >= knobs_.warmup;
    const Space& space = taught ? taught_space_ : warmup_space_;
    // A history of its own for each space.
    const History known(trials_.begin() + (taught ? knobs_.warmup : 0), trials_.end());
    Trial trial{suggest(space, known, knobs_.engine, seed_.stream(taught ? "taught" : "warm-up"))};
    TrialPlan plan;
    plan.phase = fmt::format("trial-{:03}", index + 1);
    plan.net = knobs_.nets.empty() ? c_.student_knobs.net : knobs_.nets.front();
    plan.train = c_.train_knobs;
    plan.seed = c_.run.seed.stream("trial", static_cast<uint64_t>(index));
    Lineage lineage;
    lineage.root = index;
    const std::vector<int64_t> ranking = trial_pool(trials_, index);
    if (taught && ranking.empty())
      throw DivergenceError("boss: every trial of the warm-up failed", "lower the upper bound of knobs.lr, or set train.clip_norm");
    if (taught) {
      plan.alpha = std::max(knobs_.alpha, 0.0);
      const Draw draw = !knobs_.pretrained ? Draw::teacher_only : knobs_.members == "same" || ranking.size() < 2 ? Draw::same : Draw::two;
      const Lineage drawn = draw_members(pool(ranking, index), ranking, lineages_, draw, knobs_.ancestors == "distinct",
                                         seed_.stream("draw", static_cast<uint64_t>(index)));
      if (drawn.start >= 0) lineage = drawn;
      lineage.teacher = drawn.teacher;
      const auto named = [&](int64_t member) { return member < 0 ? std::string() : plans_[static_cast<size_t>(member)].phase; };
      plan.start = named(lineage.start);
      plan.teacher = named(lineage.teacher);
      plan.teacher_net = plans_[static_cast<size_t>(lineage.teacher)].net;
    }
    apply(space, trial.point, plan);
    trials_.push_back(std::move(trial));
    lineages_.push_back(lineage);
    plans_.push_back(plan);
    return plan;
  }

  std::vector<int64_t> pool(const std::vector<int64_t>& ranking, int64_t index) const {
    const size_t size = std::min(ranking.size(), static_cast<size_t>(knobs_.k));
    if (knobs_.pool == "last") return {*std::max_element(ranking.begin(), ranking.end())};
    if (knobs_.pool == "top") return {ranking.begin(), ranking.begin() + static_cast<ptrdiff_t>(size)};
    std::vector<int64_t> members;
    const Tensor order = permutation(static_cast<int64_t>(ranking.size()), seed_.stream("pool", static_cast<uint64_t>(index)));
    for (size_t i = 0; i < size; ++i) members.push_back(ranking[static_cast<size_t>(order.data_ptr<int64_t>()[i])]);
    return members;
  }

  void finish(size_t index, const TrialEnd& end) {
    Trial& trial = trials_[index];
    trial.status = end.failed ? Trial::Status::failed : Trial::Status::finished;
    trial.score = end.score;
    epochs_ += end.epochs;
    if (c_.run.quiet || !c_.run.group.leader()) return;
    const int64_t best_now = best();
    say(fmt::format("{}: {}, best {:.2f} %", plans_[index].phase,
                    end.failed ? "failed (" + end.why + ")" : fmt::format("{:.2f} %", 100 * end.score),
                    best_now < 0 ? 0 : 100 * trials_[static_cast<size_t>(best_now)].score));
  }

  nlohmann::json rows() const {
    nlohmann::json rows = nlohmann::json::array();
    for (size_t i = 0; i < trials_.size(); ++i) {
      const bool taught = static_cast<int64_t>(i) >= knobs_.warmup;
      const Space& space = taught ? taught_space_ : warmup_space_;
      nlohmann::json row = {{"trial", i + 1}, {"depth", lineages_[i].depth}};
      if (trials_[i].status == Trial::Status::finished)
        row["score"] = 100 * trials_[i].score;
      else
        row["score"] = "failed";
      if (lineages_[i].start >= 0) row["start"] = lineages_[i].start + 1;
      if (lineages_[i].teacher >= 0) row["teacher"] = lineages_[i].teacher + 1;
      for (size_t k = 0; k < space.size(); ++k) {
        const Dimension& d = space.dimensions()[k];
        if (d.kind == Dimension::Kind::choice)
          row[d.name] = d.choices[static_cast<size_t>(trials_[i].point[k])];
        else
          row[d.name] = trials_[i].point[k];
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

  void write() const { c_.run.write_json("trials.json", rows()); }
};

void run_boss(Run& run) {
  const auto knobs = read_method_knobs<BossKnobs>(run);
  if (knobs.slots > 1 && run.group.size() > 1)
    throw ConfigError("knobs.slots: trials cannot run side by side in a group of processes", "start one process, or set knobs.slots = 1");
  const auto student = run.recipe.read<StudentKnobs>("student");
  for (const auto& [key, asked] : {std::pair("student.alone", student.alone), std::pair("student.trained", student.trained)}) {
    if (knobs.slots > 1 && asked)
      throw ConfigError(fmt::format("{}: {}: trials side by side need a process that has trained nothing yet", run.recipe.where(key), key),
                        "set knobs.slots = 1, or leave it out");
  }
  ClassifierRun classifier = prepare_classifier(run, Access::none);
  if (classifier.splits.validation.size() == 0)
    throw ConfigError(run.recipe.where("data.validation") + ": data.validation: trials are ranked on a validation part and there is none",
                      "set data.validation, such as 300");
  if (classifier.train_knobs.eval_every == 0)
    throw ConfigError(run.recipe.where("train.eval_every") + ": train.eval_every: a trial that is never evaluated has no score",
                      "set train.eval_every = 1");
  if (knobs.extra != "none" && classifier.views.mixup > 0)
    throw ConfigError(run.recipe.where("views.mixup") + ": views.mixup: knobs.extra needs whole samples, not mixtures",
                      "set views.mixup = 0");
  Campaign campaign(classifier, knobs);
  campaign.run();
  if (campaign.best() < 0) throw DivergenceError("boss: every trial failed", "lower the upper bound of knobs.lr, or set train.clip_norm");
  campaign.report();
  const Net best = campaign.model(campaign.best());
  classifier.conclude(best);
  if (run.group.leader()) run.outcome.metrics["optimism"] = run.outcome.metrics["best_validation"] - run.outcome.metrics["accuracy"];
}

}  // namespace

Method boss() {
  return {MethodInfo("boss")
              .paper(119)
              .in("search")
              .idea("search hyper-parameters by trials that start from, and are taught by, the best models of earlier ones")
              .source("Lee et al. 2023, arXiv 2304.12666"),
          [] {
            BossKnobs section;
            return knobs_of(section).all();
          },
          run_boss};
}

}  // namespace retort::search

// Robust Active Distillation: ask about points that teach the student much and that a fallible teacher is likely to get right.
// Baykal et al. 2023, arXiv 2210.01213
#include "retort/methods/blackbox/rad.h"

#include "retort/base/error.h"
#include "retort/methods/blackbox/rad_choice.h"
#include "retort/search/active_selection.h"

namespace retort::blackbox {

int64_t wrong_among(int64_t n, double accuracy) {
  return std::clamp<int64_t>(std::llround((1 - accuracy) * static_cast<double>(n)), 0, n - 1);
}

Tensor flipped_answers(const Tensor& probabilities, const Tensor& ids, double share, Seed seed) {
  Tensor changed = probabilities.clone();
  const int64_t classes = probabilities.size(1);
  for (int64_t i = 0; i < ids.size(0); ++i) {
    Dice dice(seed.stream("flip", static_cast<uint64_t>(ids[i].item<int64_t>())));
    if (!dice.chance(share)) continue;
    const int64_t top = probabilities[i].argmax().item<int64_t>(), other = (top + 1 + dice.below(classes - 1)) % classes;
    changed[i][top] = probabilities[i][other];
    changed[i][other] = probabilities[i][top];
  }
  return changed;
}

namespace {
using nlohmann::json;

class ActiveRun {
 public:
  ActiveRun(ClassifierRun& c, const RadKnobs& knobs)
      : c_(c), knobs_(knobs), answers_(*c.teacher, c.run.device, errs()), checks_(*c.teacher, c.run.device, errs()) {
    const Dataset& all = c.splits.train;
    const Tensor has_label = at::nonzero(all.labels >= 0).squeeze(1);
    const int64_t kept = knobs.labelled > 0 ? knobs.labelled : has_label.size(0);
    if (kept > has_label.size(0))
      throw ConfigError(fmt::format("knobs.labelled: {} training rows have a label, found {}", has_label.size(0), kept),
                        "raise data.train");
    labelled_ = all.take(has_label.slice(0, 0, kept));
    Tensor in_pool = at::ones({all.size()}, at::kBool);
    in_pool.index_fill_(0, has_label.slice(0, 0, kept), false);
    pool_ = all.take(at::nonzero(in_pool).squeeze(1));
    truth_ = pool_.labels.clone();
    pool_.labels = at::full_like(truth_, -1);
    if (pool_.size() < 2)
      throw ConfigError("knobs.labelled: no point is left to ask about",
                        "set it below the number of training rows, or keep unlabelled rows with data.keep_unlabelled = true");
    budget_ = knobs.budget > 0 ? knobs.budget : std::max<int64_t>(1, pool_.size() / 10);
    if (budget_ > pool_.size())
      throw ConfigError(fmt::format("knobs.budget: the pool has {} points, found {}", pool_.size(), budget_), "ask about fewer");
    if (knobs.rounds > budget_) throw ConfigError(fmt::format("knobs.rounds: {} questions make no {} rounds", budget_, knobs.rounds));
    if (knobs.select == "rad" && knobs.wrong < 0 && c.splits.validation.size() == 0) {
      throw ConfigError("knobs.wrong: how often the teacher errs is measured on a validation part, and there is none",
                        "set data.validation, or say the share with knobs.wrong");
    }
    share_wrong_ = knobs.wrong >= 0 ? knobs.wrong : 0;
    if (c.splits.validation.size() > 0 && knobs.wrong < 0) {
      const Tensor decisions = checks_.ask(c.splits.validation).argmax(1);
      share_wrong_ = 1 - decisions.eq(c.splits.validation.labels).to(at::kDouble).mean().item<double>();
    }
    share_wrong_ = std::min(1.0, share_wrong_ * knobs.wrong_scale);
  }

  void run() {
    Net start = c_.make_student(c_.run.seed.stream("student"));
    const auto learns_labels = label_objective();
    fit("start", start, *learns_labels, labelled_);
    c_.show("start", start);
    Net student = start.clone();
    const auto learns_both = labels_and_answers(answers_, knobs_.temperature);
    std::vector<Round> rounds;
    Tensor asked = at::zeros({pool_.size()}, at::kBool);
    for (int64_t r = 0; r < knobs_.rounds; ++r) {
      const Tensor left = at::nonzero(asked.logical_not()).squeeze(1);
      Round round;
      round.asked = budget_ * (r + 1) / knobs_.rounds - budget_ * r / knobs_.rounds;
      const Dataset candidates = pool_.take(left);
      round.wrong = wrong_among(candidates.size(), 1 - share_wrong_);
      const Dataset covered = with_labelled(pool_.take(at::nonzero(asked).squeeze(1)));
      const std::vector<int64_t> chosen = choose_points(c_, knobs_, answers_, student, candidates, covered, round,
                                                        c_.run.seed.stream("choice", static_cast<uint64_t>(r)));
      if (r == 0 && round.support > 0) show_sensitivity(round);
      const Tensor rows = left.index_select(0, at::tensor(chosen, at::kLong));
      asked.index_fill_(0, rows, true);
      const Tensor decisions = answers_.ask(pool_.take(rows)).argmax(1), truth = truth_.index_select(0, rows), known = truth >= 0;
      round.correct = decisions.eq(truth).logical_and(known).sum().item<double>() / known.sum().item<double>();
      rounds.push_back(round);
      student = start.clone();
      fit(fmt::format("round-{}", r + 1), student, *learns_both, with_labelled(pool_.take(at::nonzero(asked).squeeze(1))));
    }
    report(rounds);
    c_.conclude(student);
  }

 private:
  ClassifierRun& c_;
  const RadKnobs& knobs_;
  CountedAnswers answers_, checks_;
  Dataset labelled_, pool_;
  Tensor truth_;  // of the pool, -1 where not known
  int64_t budget_ = 0;
  double share_wrong_ = 0;

  CountedAnswers::Change errs() const {
    if (knobs_.flips == 0) return {};
    return [share = knobs_.flips, seed = c_.run.seed.stream("flips")](const Tensor& answers, const Tensor& ids) {
      return flipped_answers(answers, ids, share, seed);
    };
  }

  Dataset with_labelled(const Dataset& answered) const {
    Dataset both = labelled_;
    both.inputs = at::cat({labelled_.inputs, answered.inputs});
    both.labels = at::cat({labelled_.labels, answered.labels});
    both.ids = at::cat({labelled_.ids, answered.ids});
    both.extra.clear();
    return both;
  }

  void fit(const std::string& phase, Net& student, Objective& objective, const Dataset& data) {
    TrainJob job = c_.job(phase, student, objective);
    job.train = &data;
    job.teacher = nullptr;
    train(c_.run, job);
  }

  // The teacher's errors were measured on a few rows: what half and half as many again would change.
  void show_sensitivity(const Round& round) {
    const std::vector<double>& gains = round.gains;
    json rows = json::array();
    for (const double scale : {0.5, 1.0, 1.5}) {
      const auto m = std::min<int64_t>(std::llround(scale * static_cast<double>(round.wrong)), static_cast<int64_t>(gains.size()) - 1);
      const search::Marginals other = search::query_marginals(gains, m, round.asked, knobs_.loss);
      double shared = 0;
      for (size_t i = 0; i < gains.size(); ++i) shared += std::min(other.chances[i], round.chances[i]);
      rows.push_back(
          {{"wrong", m}, {"support", other.support}, {"value", other.value}, {"shared", 100 * shared / static_cast<double>(round.asked)}});
      if (scale != 1)
        c_.run.outcome.metrics[scale < 1 ? "shared_at_half" : "shared_at_three_halves"] = 100 * shared / static_cast<double>(round.asked);
    }
    c_.card.add_panel({{"kind", "table"},
                       {"title", "If the teacher erred less, or more"},
                       {"note", fmt::format("The choice rests on {} wrong answers in a pool of {}.", round.wrong, gains.size())},
                       {"columns",
                        {{{"key", "wrong"}, {"title", "wrong answers"}, {"digits", 0}},
                         {{"key", "support"}, {"title", "points with a chance"}, {"digits", 0}},
                         {{"key", "value"}, {"title", "gain in the worst case"}, {"digits", 2}},
                         {{"key", "shared"}, {"title", "of the choice the same"}, {"unit", "%"}, {"digits", 0}}}},
                       {"rows", rows}});
  }

  void report(const std::vector<Round>& rounds) {
    json rows = json::array();
    double correct = 0;
    for (size_t r = 0; r < rounds.size(); ++r) {
      rows.push_back({{"round", r + 1},
                      {"asked", rounds[r].asked},
                      {"wrong", rounds[r].wrong},
                      {"support", rounds[r].support > 0 ? json(rounds[r].support) : json()},
                      {"correct", 100 * rounds[r].correct}});
      correct += rounds[r].correct * static_cast<double>(rounds[r].asked) / static_cast<double>(budget_);
    }
    c_.card.add_panel({{"kind", "table"},
                       {"title", "Questions"},
                       {"note", fmt::format("{} about the pool, {} about held-out rows to see how often the teacher errs ({:.1f} %).",
                                            answers_.questions(), checks_.questions(), 100 * share_wrong_)},
                       {"columns",
                        {{{"key", "round"}, {"title", "round"}, {"digits", 0}},
                         {{"key", "asked"}, {"title", "points learned from"}, {"digits", 0}},
                         {{"key", "wrong"}, {"title", "wrong in the pool, supposed"}, {"digits", 0}},
                         {{"key", "support"}, {"title", "points with a chance"}, {"digits", 0}},
                         {{"key", "correct"}, {"title", "answers that were right"}, {"unit", "%"}, {"digits", 1}}}},
                       {"rows", rows}});
    auto& metrics = c_.run.outcome.metrics;
    metrics["questions"] = static_cast<double>(answers_.questions());
    metrics["check_questions"] = static_cast<double>(checks_.questions());
    metrics["teacher_errs"] = 100 * share_wrong_;
    if (std::isfinite(correct)) metrics["correct_answers"] = 100 * correct;
  }
};

void run_rad(Run& run) {
  const auto knobs = read_method_knobs<RadKnobs>(run);
  ClassifierRun c = prepare_classifier(run, Access::hard_labels);
  ActiveRun(c, knobs).run();
}

}  // namespace

Method rad() {
  return {MethodInfo("rad")
              .paper(104)
              .in("blackbox")
              .needs(Access::hard_labels)
              .idea("ask a fallible teacher about points that teach much and that it is likely to get right")
              .source("Baykal et al. 2023, arXiv 2210.01213"),
          [] {
            RadKnobs section;
            return knobs_of(section).all();
          },
          run_rad};
}

}  // namespace retort::blackbox

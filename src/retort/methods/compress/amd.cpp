// The chain from teacher over assistants to student. In one file because the candidates, the two distillations and the price of the alternatives read the
// same slices of one teacher.
#include "retort/methods/compress/amd.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/methods/compress/amd_knobs.h"
#include "retort/methods/compress/slices.h"
#include "retort/nets/model_file.h"
#include "retort/stats/ranking.h"

namespace retort::compress {
namespace {

// A teacher along the chain: its net, what it says, its size and its accuracy on the validation part.
struct Rung {
  Net net;
  std::shared_ptr<Teacher> teacher;
  double scale = 1, accuracy = 0;
};

class Chain {
 public:
  Chain(ClassifierRun& c, const AmdKnobs& knobs) : c_(c), knobs_(knobs), composite_{knobs.temperature, knobs.a, knobs.b} {}

  Net run() {
    Rung rung = top();
    student_scale_ = knobs_.student == "slice"
                         ? knobs_.student_scale
                         : static_cast<double>(c_.make_student(Seed()).param_count()) / static_cast<double>(rung.net.param_count());
    full_parameters_ = static_cast<double>(rung.net.param_count());
    if (student_scale_ >= 1)
      throw ConfigError(c_.run.recipe.where("student.net") + ": student.net: the student is not smaller than its teacher",
                        "name a smaller net");
    if (knobs_.hops > 0 && needs_scores() && c_.splits.validation.size() == 0) {
      throw ConfigError(
          c_.run.recipe.where("data.validation") + ": data.validation: candidates are judged on a validation part and there is none",
          "set data.validation, or knobs.select = \"fixed\"");
    }
    for (int64_t hop = 1; hop <= knobs_.hops; ++hop) {
      const Net wide = ordered(rung.net);
      const std::vector<Candidate> candidates = candidates_for(rung, wide, hop == 1);
      if (candidates.empty()) break;
      rung = assistant(rung, wide, candidates, hop == 1 ? "" : fmt::format("-{}", hop), hop == 1);
      if (knobs_.study()) break;
    }
    auto& metrics = c_.run.outcome.metrics;
    metrics["search_steps"] = static_cast<double>(search_steps_);
    metrics["search_passes"] = static_cast<double>(search_passes_);
    Net student = study_student_ ? *study_student_ : student_of(rung, "student");
    metrics["total_steps"] = static_cast<double>(search_steps_ + other_steps_);
    return student;
  }

 private:
  ClassifierRun& c_;
  AmdKnobs knobs_;
  CompositeLoss composite_;
  double student_scale_ = 0, full_parameters_ = 1;
  int64_t search_steps_ = 0, search_passes_ = 0, other_steps_ = 0;  // the search's: all updates that are made before the assistant is known
  std::optional<Net> study_student_;

  bool needs_scores() const { return knobs_.select != "middle" && knobs_.select != "fixed" && knobs_.select != "random"; }

  struct Candidate {
    double asked, scale;
    Groups kept;
  };
  // Those that differ from each other and from both ends once whole groups are left out. None below the first hop: the chain ends there.
  std::vector<Candidate> candidates_for(const Rung& rung, const Net& wide, bool first) const {
    std::vector<double> asked;
    try {
      asked = candidate_scales(student_scale_, rung.scale, first ? knobs_.grid : std::vector<double>{}, knobs_.grid_step);
    } catch (const ConfigError&) {
      if (first) throw;
    }
    std::vector<Candidate> found;
    for (const double scale : asked) {
      Candidate candidate{scale, 0, groups(wide, scale)};
      candidate.scale = scale_of(wide, candidate.kept) * rung.scale;
      const bool distinct = found.empty() || found.back().kept != candidate.kept;
      if (distinct && candidate.scale < rung.scale && candidate.scale > student_scale_) found.push_back(std::move(candidate));
    }
    if (first && found.empty())
      throw ConfigError("knobs.grid: no part of the teacher has a size between the student's and its own",
                        "set other scales, a smaller student, or knobs.hops = 0");
    return found;
  }

  Rung rung_of(Net net) const {
    Rung rung;
    rung.net = std::move(net);
    rung.teacher = net_teacher(rung.net);
    rung.scale = static_cast<double>(rung.net.param_count()) / full_parameters_;
    if (c_.splits.validation.size() > 0) rung.accuracy = validation_accuracy(rung.net, c_);
    return rung;
  }

  Rung top() const {
    const Net& frozen = *c_.teacher->net();
    Net net = make_net(frozen.spec(), Seed());
    net.load(frozen.named_tensors(), "the teacher");
    net.to(c_.run.device);
    prunable_layers(net);
    Rung rung = rung_of(net);
    rung.scale = 1;
    return rung;
  }

  // The net of a rung with its most important groups first.
  Net ordered(const Net& net) const { return reordered(net, importance_orders(net, c_.splits.train, knobs_.calibration, c_.run.device)); }
  Groups groups(const Net& net, double scale) const {
    return groups_for_scale(net, scale * full_parameters_ / static_cast<double>(net.param_count()));
  }

  TrainResult fit(const std::string& phase, Net& net, Objective& objective, Teacher& teacher, int64_t epochs) {
    TrainJob job = c_.job(phase, net, objective);
    job.teacher = &teacher;
    if (phase.rfind("student", 0) != 0) {
      job.knobs.epochs = epochs;
      job.stages.clear();
    }
    return train(c_.run, job);
  }

  Net tuned(const std::string& phase, Net net, const Rung& rung, int64_t epochs, int64_t& steps) {
    StudentObjective objective(composite_);
    steps += fit(phase, net, objective, *rung.teacher, epochs).steps;
    return net;
  }

  // Step 6.
  Net student_of(const Rung& rung, const std::string& phase) {
    Net student = knobs_.student == "net" ? c_.make_student(c_.run.seed.stream("student"))
                                          : cut_out(ordered(rung.net), groups(rung.net, student_scale_));
    return tuned(phase, std::move(student), rung, 0, other_steps_);
  }

  // Steps 2 to 5: the next rung.
  Rung assistant(const Rung& rung, const Net& wide, const std::vector<Candidate>& candidates, const std::string& suffix, bool first) {
    std::vector<Groups> kept;
    std::vector<double> asked, scales;
    for (const Candidate& candidate : candidates) {
      asked.push_back(candidate.asked);
      kept.push_back(candidate.kept);
      scales.push_back(candidate.scale);
    }
    std::vector<Net> nets;
    std::vector<double> joint, alone;
    bool stable = true;
    if (knobs_.candidates != "separate") {
      Net shared = wide.clone();
      JointObjective objective(composite_, shared, kept, knobs_.random_candidates, knobs_.evaluations, c_);
      TrainJob job = c_.job("joint" + suffix, shared, objective);
      job.teacher = rung.teacher.get();
      job.stages.clear();
      job.knobs.epochs = knobs_.joint_epochs;
      job.knobs.eval_every = 0;  // its whole is no candidate
      job.knobs.keep = "last";
      search_steps_ += train(c_.run, job).steps;
      search_passes_ += objective.passes();
      for (size_t i = 0; i < kept.size(); ++i) nets.push_back(objective.candidate(shared, i));
      joint = mean_performances(objective.evaluations());
      if (knobs_.select == "npsd") stable = picks_agree(objective.evaluations(), rung, scales);
    }
    if (knobs_.candidates != "joint") {
      int64_t steps = 0;
      for (size_t i = 0; i < kept.size(); ++i) {
        Net net = tuned(fmt::format("candidate{}-{:.2f}", suffix, asked[i]), cut_out(wide, kept[i]), rung, knobs_.joint_epochs, steps);
        alone.push_back(c_.splits.validation.size() > 0 ? validation_accuracy(net, c_) : 0);
        if (knobs_.candidates == "separate") nets.push_back(std::move(net));
      }
      if (knobs_.candidates == "separate") search_steps_ += steps, search_passes_ += steps;
    }
    const std::vector<double>& scores = knobs_.candidates == "separate" ? alone : joint;
    if (!joint.empty() && !alone.empty() && joint.size() > 1) c_.run.outcome.metrics["rank_correlation"] = spearman(joint, alone);

    const auto tune = [&](size_t i, const std::string& phase, int64_t& steps) {
      return rung_of(tuned(phase, nets[i], rung, knobs_.assistant_epochs, steps));
    };
    Rung found;
    size_t chosen = 0;
    std::vector<double> students;
    if (knobs_.study()) {
      std::vector<Rung> rungs;
      std::vector<Net> pupils;
      int64_t steps = 0;
      for (size_t i = 0; i < nets.size(); ++i) {
        rungs.push_back(tune(i, fmt::format("assistant-{:.2f}", asked[i]), steps));
        const int64_t before = other_steps_;
        pupils.push_back(student_of(rungs[i], fmt::format("student-{:.2f}", asked[i])));
        steps += other_steps_ - before;
        other_steps_ = before;
        students.push_back(validation_accuracy(pupils[i], c_));
      }
      search_steps_ += steps;
      search_passes_ += steps;
      const auto at = knobs_.select == "oracle" ? std::max_element(students.begin(), students.end())
                                                : std::min_element(students.begin(), students.end());
      chosen = static_cast<size_t>(at - students.begin());
      study_student_ = pupils[chosen];
      found = rungs[chosen];
    } else {
      chosen = choose(scores, scales, rung);
      found = tune(chosen, "assistant" + suffix, other_steps_);
    }
    tell(suffix, asked, scales, scores, alone, students, chosen, rung, stable, first);
    c_.show("assistant" + suffix, found.net);
    if (c_.run.group.leader()) save_model(c_.run.dir + "/assistant" + suffix, found.net, c_.splits.train.spec, /*own_config=*/true);
    return found;
  }

  // Step 4.
  size_t choose(const std::vector<double>& scores, const std::vector<double>& scales, const Rung& rung) const {
    if (knobs_.select == "npsd") return pick_by_npsd(rung.accuracy, rung.scale, scores, scales);
    if (knobs_.select == "best") return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    if (knobs_.select == "random")
      return static_cast<size_t>(Dice(c_.run.seed.stream("assistant")).below(static_cast<int64_t>(scales.size())));
    const double target = knobs_.select == "fixed" ? knobs_.scale : scales[(scales.size() - 1) / 2];
    return nearest_scale(scales, target);
  }

  bool picks_agree(const std::vector<std::vector<double>>& rows, const Rung& rung, const std::vector<double>& scales) const {
    std::set<size_t> picks;
    for (const auto& row : rows) picks.insert(pick_by_npsd(rung.accuracy, rung.scale, row, scales));
    if (picks.size() > 1 && !c_.run.quiet) {
      std::vector<std::string> named;
      for (const size_t pick : picks) named.push_back(fmt::format("{:.2f}", scales[pick]));
      warn(
          fmt::format("amd: the last evaluations choose different assistants (scales {}): a larger validation part or a longer joint run "
                      "would tell them apart",
                      fmt::join(named, ", ")));
    }
    return picks.size() <= 1;
  }

  void tell(const std::string& suffix, const std::vector<double>& asked, const std::vector<double>& scales,
            const std::vector<double>& scores, const std::vector<double>& alone, const std::vector<double>& students, size_t chosen,
            const Rung& rung, bool stable, bool first) {
    if (first) {
      c_.run.outcome.metrics["assistant_scale"] = scales[chosen];
      c_.run.outcome.metrics["stable_choice"] = stable;
    }
    nlohmann::json rows = nlohmann::json::array(), points = nlohmann::json::array();
    for (size_t i = 0; i < scales.size(); ++i) {
      nlohmann::json row = {{"asked", asked[i]},
                            {"scale", scales[i]},
                            {"accuracy", 100 * scores[i]},
                            {"npsd", npsd(rung.accuracy, scores[i], rung.scale, scales[i])}};
      if (!alone.empty()) row["alone"] = 100 * alone[i];
      if (!students.empty()) row["student"] = 100 * students[i];
      if (i == chosen) row["chosen"] = "assistant";
      rows.push_back(row);
      points.push_back({scales[i], 100 * scores[i]});
    }
    points.push_back({rung.scale, 100 * rung.accuracy});
    const nlohmann::json columns = {{{"key", "asked"}, {"title", "asked for"}, {"digits", 2}},
                                    {{"key", "scale"}, {"title", "scale"}, {"digits", 3}},
                                    {{"key", "accuracy"}, {"title", "accuracy"}, {"unit", "%"}, {"digits", 2}},
                                    {{"key", "npsd"}, {"title", "NPSD"}, {"digits", 4}},
                                    {{"key", "alone"}, {"title", "trained alone"}, {"unit", "%"}, {"digits", 2}},
                                    {{"key", "student"}, {"title", "its student"}, {"unit", "%"}, {"digits", 2}},
                                    {{"key", "chosen"}, {"title", "chosen"}}};
    c_.card.add_panel({{"kind", "lines"},
                       {"title", "Candidates for the assistant" + suffix},
                       {"note", "Accuracy on the validation part; the last point is the teacher."},
                       {"x", "scale"},
                       {"y", "accuracy, %"},
                       {"series", {{{"name", "candidate"}, {"points", points}}}}});
    c_.card.add_panel({{"kind", "table"}, {"title", "The choice of the assistant" + suffix}, {"columns", columns}, {"rows", rows}});
  }
};

void run_amd(Run& run) {
  const auto knobs = read_method_knobs<AmdKnobs>(run);
  ClassifierRun classifier = prepare_classifier(run, Access::weights);
  Chain chain(classifier, knobs);
  const Net student = chain.run();
  classifier.conclude(student);
}

}  // namespace

Method amd() {
  return {MethodInfo("amd")
              .paper(34)
              .in("compress")
              .needs(Access::weights)
              .idea("distil through a smaller assistant, chosen among slices of the teacher that are trained together")
              .source("Han et al. 2024, arXiv 2407.04208"),
          [] {
            AmdKnobs section;
            return knobs_of(section).all();
          },
          run_amd};
}

}  // namespace retort::compress

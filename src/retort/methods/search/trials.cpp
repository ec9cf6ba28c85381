#include "retort/methods/search/trials.h"

#include "retort/base/children.h"
#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/search/boss.h"

namespace retort::search {

ExtraTerm pseudo_label_term(double threshold, double weight) {
  return [=](Loss& loss, const Step& step) {
    const Tensor rows = at::nonzero(step.labels() < 0).squeeze(1);
    if (rows.numel() == 0) return;
    const Tensor logits = step.logits.index_select(0, rows);
    const auto [confidence, decision] = at::softmax(logits.detach(), 1).max(1);
    const Tensor own = at::log_softmax(logits, 1).gather(1, decision.unsqueeze(1)).squeeze(1);
    loss.add("pseudo_labels", -(own * (confidence >= threshold)).mean(), weight);
  };
}

ExtraTerm class_balance_term(double weight) {
  return [weight, weights = Tensor()](Loss& loss, const Step& step) mutable {
    if (!weights.defined()) {
      const Tensor labels = step.trainer.data().labels, known = labels.masked_select(labels >= 0);
      const Tensor counts = at::bincount(known, {}, step.logits.size(1)).to(at::kFloat).clamp_min(1);
      weights = (static_cast<double>(known.numel()) / (static_cast<double>(counts.numel()) * counts)).to(step.logits.device());
    }
    if ((step.labels() >= 0).any().item<bool>())
      loss.add("class_balance", at::cross_entropy_loss(step.logits, step.labels(), weights, at::Reduction::Mean, /*ignore_index=*/-1),
               weight);
  };
}

namespace {

class TrialObjective : public Objective {
 public:
  TrialObjective(double alpha, ExtraTerm extra) : alpha_(alpha), extra_(std::move(extra)) {}
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = alpha_ < 1;
    return wanted;
  }
  Loss loss(const Step& step) override {
    Loss loss = boss_loss(step.logits, step.teacher.logits, label_loss(step), alpha_);
    if (extra_) extra_(loss, step);
    return loss;
  }

 private:
  double alpha_;
  ExtraTerm extra_;
};

Net fresh(const ClassifierRun& c, const std::string& net, Seed seed) {
  return make_net(net, c.splits.train.spec.shape, c.splits.train.classes(), seed);
}

double balanced_accuracy(const Net& net, const ClassifierRun& c) {
  const Dataset& held_out = c.splits.validation;
  const Tensor logits = predict_logits(net, prepared_inputs(held_out).to(c.run.device)).cpu();
  const Tensor counts = confusion_matrix(logits, held_out.labels, held_out.classes()).to(at::kDouble), all = counts.sum(1);
  const Tensor seen = all > 0;
  return (counts.diagonal().masked_select(seen) / all.masked_select(seen)).mean().item<double>();
}

TrialEnd run_trial(ClassifierRun& c, const TrialPlan& plan, const ExtraTerm& extra, bool balanced) {
  Net student = fresh(c, plan.net, plan.seed.stream("student"));
  if (!c.student_knobs.start.empty() && plan.start.empty()) student = c.make_student(plan.seed.stream("student"));
  if (!plan.start.empty()) load_phase(c.run, plan.start, student);
  std::unique_ptr<Teacher> teacher;
  if (!plan.teacher.empty() && plan.alpha < 1) {
    Net net = fresh(c, plan.teacher_net, plan.seed);
    load_phase(c.run, plan.teacher, net);
    net.to(c.run.device);
    teacher = net_teacher(net);
  }
  TrialObjective objective(plan.teacher.empty() ? 1 : plan.alpha, extra);
  TrainJob job = c.job(plan.phase, student, objective);
  job.teacher = teacher.get();
  job.knobs = plan.train;
  job.knobs.keep = "best";
  job.seed = plan.seed;
  TrialEnd end;
  try {
    const TrainResult result = train(c.run, job);
    end.epochs = result.epochs;
    end.score = balanced ? balanced_accuracy(student, c) : result.best_score;
  } catch (const DivergenceError& error) {
    end.failed = true;
    end.why = error.what();
  }
  return end;
}

}  // namespace

std::vector<TrialEnd> run_trials(ClassifierRun& c, const std::vector<TrialPlan>& plans, const ExtraTerm& extra, bool balanced,
                                 bool in_children) {
  std::vector<TrialEnd> ends;
  if (!in_children) {
    for (const TrialPlan& plan : plans) ends.push_back(run_trial(c, plan, extra, balanced));
    return ends;
  }
  Run& run = c.run;
  if (run.log) run.log->length();  // nothing pending that every child would write
  const std::vector<ChildEnd> children = run_in_children(plans.size(), plans.size(), [&](size_t i) {
    run.log.reset();
    run.place.threads = 1;
    const TrialEnd end = run_trial(c, plans[i], extra, balanced);
    if (end.failed) throw DivergenceError(end.why);
  });
  // What a child finished is found again like a phase of a resumed run.
  const bool resumed = run.resume;
  const int64_t mark = run.log_mark;
  for (size_t i = 0; i < plans.size(); ++i) {
    const ChildEnd& child = children[i];
    if (child.exit_code == 130) throw Interrupted("stopped while trials were running", "go on with --resume --dir " + run.dir);
    TrialEnd end;
    end.failed = child.exit_code == DivergenceError("").exit_code();
    end.why = child.line;
    if (child.exit_code != 0 && !end.failed) throw Error(child.line, child.hint, child.exit_code);
    if (!end.failed) {
      run.resume = true;
      end = run_trial(c, plans[i], extra, balanced);
      run.resume = resumed;
      run.log_mark = mark;
    }
    ends.push_back(end);
  }
  return ends;
}

Net trained(const ClassifierRun& c, const TrialPlan& plan) {
  Net net = fresh(c, plan.net, plan.seed);
  load_phase(c.run, plan.phase, net);
  net.to(c.run.device);
  net.train(false);
  return net;
}

}  // namespace retort::search

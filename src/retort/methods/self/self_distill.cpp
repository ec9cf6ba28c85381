#include "retort/methods/self/self_distill.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/self/generation_table.h"
#include "retort/stats/kernel_ridge.h"
#include "retort/stats/paired.h"

namespace retort::self {

void SelfDistillKnobs::describe(Knobs& knobs) {
  knobs("model", model,
        "network: the student; kernel: a kernel machine on the same data, fitted exactly ([student] and [train] then count for nothing); "
        "sine: the paper's noisy regression, which needs no data",
        one_of({"network", "kernel", "sine"}));
  knobs("generations", generations, "how often a model is fitted, the first time to the labels alone", at_least(1));
  weight.describe(knobs);
  knobs("keep_generation", keep_generation, "the generation that becomes the student: last, or the best on the validation part",
        one_of({"last", "best"}));
  knobs("reg", reg, "network: weight of the penalty on the parameters", at_least(0));
  knobs("reg_form", reg_form, "network: squared norms, as the theory has it, or the plain norms of the paper's code",
        one_of({"squared", "plain"}));
  knobs("kernel", kernel, "kernel: rbf, laplace or linear", one_of(kernel_names()));
  knobs("gamma", gamma, "kernel: exp(-gamma |a-b|^2); 0 is 1 over the number of inputs, or the paper's 80 for the sine", at_least(0));
  knobs("lambda", lambda, "kernel: weight of the ridge; it is not multiplied by the number of points", above(0));
  knobs("points", points, "sine: points in a draw", at_least(3));
  knobs("noise", noise, "sine: deviation of the noise on the labels", at_least(0));
  knobs("draws", draws, "sine: how many noisy data sets are drawn", at_least(1));
}

Loss generation_loss(const Tensor& logits, const Tensor& truth, const Tensor& teacher, double gt_weight) {
  Loss loss;
  loss.add("truth", losses::probability_mse(logits, truth), gt_weight);
  if (gt_weight != 1) loss.add("last", losses::probability_mse(logits, at::softmax(teacher, 1)), 1 - gt_weight);
  return loss;
}

Tensor weight_penalty(const Tensors& params, bool squared) {
  Tensor sum;
  for (const Tensor& param : params) {
    const Tensor one = squared ? param.square().sum() : param.norm();
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

namespace {

class GenerationObjective : public Objective {
 public:
  GenerationObjective(const SelfDistillKnobs& knobs, double gt_weight) : knobs_(knobs), gt_weight_(gt_weight) {}
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = gt_weight_ != 1;
    return wanted;
  }
  Loss loss(const Step& step) override {
    const Tensor truth = step.batch.targets.defined() ? step.batch.targets : losses::smoothed_labels(step.labels(), step.logits.size(1));
    Loss loss = generation_loss(step.logits, truth, step.teacher.logits, gt_weight_);
    return knobs_.reg > 0 ? loss.add("reg", weight_penalty(step.trainer.student().params(), knobs_.reg_form == "squared"), knobs_.reg)
                          : loss;
  }

 private:
  const SelfDistillKnobs& knobs_;
  double gt_weight_;
};

// The generations of a network; trainings are phases of the run, so that each is resumed by its name.
class Generations {
 public:
  Generations(ClassifierRun& c, const SelfDistillKnobs& knobs) : c_(c), knobs_(knobs) {
    const Dataset& held_out = c.splits.validation;
    if (held_out.size() == 0) return;
    inputs_ = prepared_inputs(held_out).to(c.run.device);
    truth_ = losses::smoothed_labels(held_out.labels, held_out.classes()).to(at::kDouble);
  }

  void run() {
    for (int64_t t = 1; t <= knobs_.generations; ++t) {
      const Choice choice = t == 1 ? Choice{1.0, {}, {}} : choose(t);
      Net net = choice.trained ? *choice.trained : train(fmt::format("generation-{}", t), t, choice.gt_weight);
      if (knobs_.weight.choose == "optimal" && t == 1 && inputs_.defined()) from_labels_ = answers(net);
      table_.add(c_, t, choice.gt_weight, choice.estimate, net, inputs_.defined() ? held_out_loss(net) : std::nan(""));
      nets_.push_back(net);
    }
  }

  void conclude() {
    const size_t kept = knobs_.keep_generation == "best" ? table_.best() : nets_.size() - 1;
    auto& metrics = c_.run.outcome.metrics;
    metrics["trainings"] = trainings_;
    if (!ranks_.empty()) metrics["rank_of_estimate"] = mean(ranks_);
    table_.write_to(c_, kept);
    c_.conclude(nets_[kept]);
  }

 private:
  struct Choice {
    double gt_weight = 1;
    std::optional<double> estimate;  // what the closed form says, where it was asked
    std::optional<Net> trained;      // where the choice trained the net that it chose
  };

  ClassifierRun& c_;
  const SelfDistillKnobs& knobs_;
  Tensor inputs_, truth_, from_labels_;  // of the validation part; answers of the first generation
  std::vector<Net> nets_;
  std::vector<double> ranks_;
  GenerationTable table_;
  double trainings_ = 0;

  Tensor answers(const Net& net) const { return at::softmax(predict_logits(net, inputs_).to(at::kDouble), 1).cpu(); }
  double held_out_loss(const Net& net) const { return (answers(net) - truth_).square().sum(1).mean().item<double>(); }

  // Fresh weights; those of one generation start alike, whatever their share of ground truth.
  Net train(const std::string& phase, int64_t generation, double gt_weight) {
    GenerationObjective objective(knobs_, gt_weight);
    Net net = c_.make_student(c_.run.seed.stream("student", static_cast<uint64_t>(generation)));
    TrainJob job = c_.job(phase, net, objective);
    std::unique_ptr<Teacher> last = nets_.empty() ? nullptr : net_teacher(nets_.back());
    job.teacher = last.get();
    retort::train(c_.run, job);
    ++trainings_;
    return net;
  }

  Choice choose(int64_t t) {
    const GtWeightKnobs& weight = knobs_.weight;
    if (weight.choose == "fixed") return {weight.fixed(t), {}, {}};
    if (weight.choose == "optimal") {  // two trainings a generation: this one, and the one with the weight
      const Net from_last = train(fmt::format("generation-{}-without-labels", t), t, 0);
      const double estimate = optimal_gt_weight(truth_, from_labels_, answers(from_last));
      return {weight.bounded(estimate), estimate, {}};
    }
    const std::vector<double> points = weight.grid_points();
    std::vector<Net> nets;
    std::vector<double> losses;
    for (const double point : points) {
      nets.push_back(train(fmt::format("generation-{}-at-{:.2f}", t, point), t, point));
      losses.push_back(held_out_loss(nets.back()));
    }
    const auto best = static_cast<size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin());
    const double estimate = optimal_gt_weight(truth_, answers(nets.back()), answers(nets.front()));
    ranks_.push_back(static_cast<double>(rank_on_grid(points, losses, weight.bounded(estimate))));
    return {points[best], estimate, nets[best]};
  }
};

void run_self_distill(Run& run) {
  const auto knobs = read_method_knobs<SelfDistillKnobs>(run);
  if (knobs.model == "sine") return run_noisy_sine(run, knobs);
  if (knobs.model == "kernel") return run_kernel_on_data(run, knobs);
  const auto data = run.recipe.read<DataKnobs>("data");
  knobs.weight.check(run.recipe, data.validation);
  if (knobs.keep_generation == "best" && data.validation == 0) {
    throw ConfigError(run.recipe.where("knobs.keep_generation") + ": knobs.keep_generation: \"best\" needs a validation part",
                      "set data.validation, or keep_generation = \"last\"");
  }
  ClassifierRun classifier = prepare_classifier(run, Access::none);
  Generations generations(classifier, knobs);
  generations.run();
  generations.conclude();
}

}  // namespace

Method self_distill() {
  return {MethodInfo("self-distill")
              .paper(26)
              .in("self")
              .idea("train generation after generation, each from the labels and from the one before")
              .source("Borup and Andersen 2021, arXiv 2102.13088"),
          [] {
            SelfDistillKnobs section;
            return knobs_of(section).all();
          },
          run_self_distill};
}

}  // namespace retort::self

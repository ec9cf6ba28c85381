#include "retort/methods/study/measured.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"

namespace retort::study {

DarkKnowledge dark_knowledge(const Tensor& teacher_logits, double temperature) {
  const Tensor top = std::get<0>(at::softmax(teacher_logits / temperature, 1).max(1));
  return {losses::entropy_rows(teacher_logits, temperature).mean().item<double>(), (1 - top).mean().item<double>()};
}

Tensor normalised_kd_gradient(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor z = student.detach().clone().requires_grad_(true);
  return torch::autograd::grad({losses::kl(z, teacher, losses::Temperature{temperature}.scaled()) * z.size(0)}, {z})[0];
}

namespace {

struct MeasuredKnobs {
  double temperature = 4, w_kd = 0.5;
  bool mask_unlabelled = false;
  std::vector<double> temperatures = {1, 2, 4, 8, 16};
  void describe(Knobs& knobs) {
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("w_kd", w_kd, "share of the teacher in the loss; the labels have the rest, and the factor T^2 stays on", between(0, 1));
    knobs("mask_unlabelled", mask_unlabelled, "rows without a label (padding of texts) do not count for the teacher either");
    knobs("temperatures", temperatures, "temperatures at which the teacher's softened answers are described", above(0));
  }
};

Wanted wanted_of(const MeasuredKnobs& knobs) {
  Wanted wanted;
  wanted.logits = knobs.w_kd > 0;
  return wanted;
}

Loss measured_loss(const Step& step, const MeasuredKnobs& knobs) {
  if (!knobs.mask_unlabelled || knobs.w_kd == 0)
    return label_and_teacher_loss(step.logits, step.batch, step.teacher.logits, knobs.temperature, 1 - knobs.w_kd, knobs.w_kd);
  const Tensor kd = losses::token_kl(step.logits, step.teacher.logits, step.labels() >= 0, losses::Temperature{knobs.temperature}.scaled());
  return Loss().add("ce", label_loss(step), 1 - knobs.w_kd).add("kd", kd, knobs.w_kd);
}

// What the teacher says of a part, [n, classes] on CPU; undefined without one, or where it only knows what was captured.
Tensor teacher_logits(const ClassifierRun& c, const Dataset& part) {
  if (!c.teacher || !c.teacher->live() || c.teacher->access() < Access::logits) return {};
  Wanted wanted;
  wanted.logits = true;
  const Tensor inputs = prepared_inputs(part);
  Tensors parts;
  for (int64_t first = 0; first < part.size(); first += 500) {
    const int64_t last = std::min(first + 500, part.size());
    parts.push_back(c.teacher->ask(part.ids.slice(0, first, last), inputs.slice(0, first, last).to(c.run.device), /*repeats=*/false, wanted)
                        .logits.cpu());
  }
  return at::cat(parts);
}

// |gradient of T^2 KL| / |gradient of CE| with respect to the parameters of a net that has not learnt yet, over one batch.
double gradient_ratio(const ClassifierRun& c, const Net& start, double temperature) {
  const Dataset part = c.splits.train.take(at::arange(std::min<int64_t>(256, c.splits.train.size()), at::kLong));
  const Tensor teacher = teacher_logits(c, part);
  if (!teacher.defined()) return 0;
  Net net = start.clone();
  net.train(false);
  net.to(at::kCPU);
  net.require_grad(true);
  const auto norm = [&](const Tensor& loss) {
    double sum = 0;
    for (const Tensor& gradient :
         torch::autograd::grad({loss}, net.params(), {}, /*retain_graph=*/true, /*create_graph=*/false, /*allow_unused=*/true))
      if (gradient.defined()) sum += gradient.square().sum().item<double>();
    return std::sqrt(sum);
  };
  const Tensor logits = net.forward(prepared_inputs(part));
  const double labels = norm(losses::cross_entropy(logits, part.labels));
  return labels > 0 ? norm(losses::kl(logits, teacher, losses::Temperature{temperature}.scaled())) / labels : 0;
}

void measure_parts(ClassifierRun& c, const Net& student, const MeasuredKnobs& knobs) {
  auto& metrics = c.run.outcome.metrics;
  const auto logits_of = [&](const Dataset& part) { return predict_logits(student, prepared_inputs(part).to(c.run.device)).cpu(); };
  const double trained = 100 * score_classifier(logits_of(c.splits.train), c.splits.train.labels).accuracy;
  const Dataset& validation = c.splits.validation;
  const Tensor ours = logits_of(validation), theirs = teacher_logits(c, validation);
  const Scores scores = score_classifier(ours, validation.labels, theirs);
  metrics["train.accuracy"] = trained;
  metrics["val.accuracy"] = 100 * scores.accuracy;
  metrics["val.nll"] = scores.nll;
  metrics["val.perplexity"] = std::exp(scores.nll);
  metrics["val.ece"] = 100 * scores.ece;
  metrics["gap"] = trained - 100 * scores.accuracy;
  if (!theirs.defined()) return;
  metrics["val.agreement"] = 100 * scores.agreement;
  metrics["val.kl"] = losses::kl(ours, theirs).item<double>();
  const Scores teacher = score_classifier(theirs, validation.labels);
  metrics["teacher.val.accuracy"] = 100 * teacher.accuracy;
  metrics["teacher.val.nll"] = teacher.nll;
  for (const double temperature : knobs.temperatures) {
    const DarkKnowledge dark = dark_knowledge(theirs, temperature);
    metrics[fmt::format("entropy@{:g}", temperature)] = dark.entropy;
    metrics[fmt::format("off_top@{:g}", temperature)] = 100 * dark.off_top;
  }
}

void run_measured(Run& run) {
  const auto knobs = read_method_knobs<MeasuredKnobs>(run);
  ClassifierRun c = prepare_classifier(run, knobs.w_kd > 0 ? Access::logits : Access::none);
  if (c.splits.validation.size() == 0)
    throw ConfigError(run.recipe.where("data") + ": data.validation: what is measured here is measured on a validation part",
                      "set data.validation to some hundred rows");
  Net student = c.make_student(run.seed.stream("student"));
  run.outcome.metrics["gradient_ratio"] = gradient_ratio(c, student, knobs.temperature);
  const auto objective = retort::objective(wanted_of(knobs), [knobs](const Step& step) { return measured_loss(step, knobs); });
  c.fit("student", student, *objective);
  measure_parts(c, student, knobs);
  c.conclude(student);
}

}  // namespace

Method measured() {
  return {MethodInfo("kd.measured")
              .in("study")
              .needs(Access::logits)
              .idea("distil with temperature and weight, and measure everything on the validation part")
              .source("Hinton et al. 2015, arXiv 1503.02531"),
          [] {
            MeasuredKnobs section;
            return knobs_of(section).all();
          },
          run_measured};
}

}  // namespace retort::study

#include "retort/methods/dense/bckd.h"

#include "retort/base/error.h"
#include "retort/losses/boxes.h"
#include "retort/losses/checks.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/detector.h"

namespace retort::dense {
namespace {

void check_locations(const char* operation, const Tensor& student, const Tensor& teacher) {
  if (student.dim() == 2 && teacher.dim() == 2 && teacher.size(1) == student.size(1) + 1)
    throw ConfigError(fmt::format("{}: the teacher scores {} classes and the student {}: a softmax head with a class for the background",
                                  operation, teacher.size(1), student.size(1)),
                      "independent sigmoids have no background class; distil it with softmax_rows after dropping that class");
  losses::check_pair(operation, student, teacher);
}

void check_positives(const char* operation, double positives) {
  if (!(positives > 0))
    throw ConfigError(fmt::format("{}: {} positive locations, expected at least 1", operation, positives),
                      "a batch without objects counts as one");
}

}  // namespace

Tensor binary_rows(const Tensor& student, const Tensor& teacher, double beta) {
  check_locations("binary_rows", student, teacher);
  const Tensor q = at::sigmoid(teacher.detach());
  const Tensor each = beta == 0 ? losses::sigmoid_cross_entropy(student, q) : losses::quality_focal(student, q, beta);
  return each.sum(1);
}

Tensor difference_weights(const Tensor& student, const Tensor& teacher) {
  check_locations("difference_weights", student, teacher);
  return (at::sigmoid(teacher.detach()) - at::sigmoid(student.detach())).abs().amax(1);
}

Tensor softmax_rows(const Tensor& student, const Tensor& teacher, double temperature) {
  return losses::kl_rows(student, teacher, losses::Temperature{temperature}.scaled());
}

Tensor classification_loss(const Tensor& rows, const Tensor& mask, double positives) {
  check_positives("classification_loss", positives);
  return (rows * mask).sum() / positives;
}

Tensor localisation_loss(const Tensor& student_boxes, const Tensor& teacher_boxes, const Tensor& weights, double positives) {
  check_positives("localisation_loss", positives);
  return (weights.detach() * (1 - losses::giou_rows(student_boxes, teacher_boxes.detach()))).sum() / positives;
}

namespace {

struct BckdKnobs {
  double cls_weight = 1, loc_weight = 4, beta = 1, temperature = 1, box_weight = 2;
  std::string classification = "sigmoid", locations = "all";
  bool difference_weights = true, skip_empty_levels = false;
  void describe(Knobs& knobs) {
    knobs("cls_weight", cls_weight, "weight of the teacher's scores", at_least(0));
    knobs("loc_weight", loc_weight, "weight of the teacher's boxes", at_least(0));
    knobs("beta", beta, "exponent of the difference that weighs every score: 0 for none, else at least 1", at_least(0));
    knobs("classification", classification,
          "sigmoid: every class a binary problem; softmax: KL over the classes of a location, for comparison",
          one_of({"sigmoid", "softmax"}));
    knobs("temperature", temperature, "softmax: temperature of both sides", above(0));
    knobs("locations", locations, "which locations count: all, or those inside objects (positive)", one_of({"all", "positive"}));
    knobs("difference_weights", difference_weights,
          "weigh scores and boxes by how far the teacher's scores are from the student's; false weighs all locations alike");
    knobs("skip_empty_levels", skip_empty_levels, "leave out a stride that has no object in the batch, as the reference does");
    knobs("box_weight", box_weight, "weight of 1 - GIoU to the true boxes beside the quality focal loss", at_least(0));
  }
  void check(const Recipe& recipe) const {
    if (beta > 0 && beta < 1)
      throw ConfigError(recipe.where("knobs.beta") + ": knobs.beta: between 0 and 1 its gradient has no bound where both agree",
                        "take 0, or 1 and more");
  }
};

// m: 1 where a location counts, flat. [batch * N]
Tensor counted(const DenseStep& step, const BckdKnobs& knobs) {
  const Tensor& positive = step.targets.positive;
  if (knobs.locations == "positive") return positive.to(at::kFloat).flatten();
  Tensor mask = at::ones_like(positive, at::kFloat);
  if (!knobs.skip_empty_levels) return mask.flatten();
  for (const auto& level : step.grid.levels)
    if (!positive.narrow(1, level.first, level.count).any().item<bool>()) mask.narrow(1, level.first, level.count).zero_();
  return mask.flatten();
}

void add_distillation(Loss& loss, const DenseStep& step, const BckdKnobs& knobs) {
  const Tensor student = step.student.logits.flatten(0, 1), teacher = step.teacher.logits.flatten(0, 1), mask = counted(step, knobs);
  const double positives = step.targets.positives;
  if (knobs.cls_weight > 0) {
    const Tensor rows = knobs.classification == "softmax" ? softmax_rows(student, teacher, knobs.temperature)
                                                          : binary_rows(student, teacher, knobs.difference_weights ? knobs.beta : 0);
    loss.add("distil.scores", classification_loss(rows, mask, positives), knobs.cls_weight);
  }
  if (knobs.loc_weight > 0) {
    const Tensor weights = knobs.difference_weights ? difference_weights(student, teacher) * mask : mask;
    loss.add("distil.boxes", localisation_loss(step.student.boxes.flatten(0, 1), step.teacher.boxes.flatten(0, 1), weights, positives),
             knobs.loc_weight);
  }
}

void run_bckd(Run& run) {
  const auto knobs = read_method_knobs<BckdKnobs>(run);
  const bool distils = knobs.cls_weight > 0 || knobs.loc_weight > 0;
  DetectorRun detector = prepare_detector(run, distils);
  const auto objective = detector_objective(
      distils, distils ? DenseTerms([knobs](Loss& loss, const DenseStep& step) { add_distillation(loss, step, knobs); }) : DenseTerms(),
      knobs.box_weight);
  Net student = detector.make_student(run.seed.stream("student"));
  detector.fit("student", student, *objective);
  detector.conclude(student);
}

}  // namespace

Method bckd() {
  return {MethodInfo("bckd")
              .paper(37)
              .in("dense")
              .needs(Access::logits)
              .idea("teach a detector its teacher's sigmoid scores, one class at a time, and its boxes")
              .source("Yang et al. 2023, arXiv 2308.14286"),
          [] {
            BckdKnobs section;
            return knobs_of(section).all();
          },
          run_bckd};
}

}  // namespace retort::dense

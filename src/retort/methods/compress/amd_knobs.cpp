#include "retort/methods/compress/amd_knobs.h"

#include "retort/base/error.h"

namespace retort::compress {

void AmdKnobs::describe(Knobs& knobs) {
  knobs("student_scale", student_scale, "the student's parameters as a share of the teacher's", above(0));
  knobs("student", student, "slice: the student is cut out of its teacher; net: student.net, whose size is then its scale",
        one_of({"slice", "net"}));
  knobs("grid", grid, "scales of the candidates for the assistant, strictly between student and teacher; [] for multiples of grid_step",
        above(0));
  knobs("grid_step", grid_step, "step of the grid", above(0));
  knobs("select", select,
        "how the assistant is chosen: npsd, the least performance lost for each parameter removed; best accuracy; middle of the grid; "
        "fixed, the nearest to scale; random; "
        "oracle and worst train a student of every candidate, for studies",
        one_of({"npsd", "best", "middle", "fixed", "random", "oracle", "worst"}));
  knobs("scale", scale, "fixed: the assistant's scale", above(0));
  knobs("candidates", candidates,
        "joint: one run trains all candidates in shared weights; separate: each is trained alone; both: as joint, and alone too, for "
        "comparison",
        one_of({"joint", "separate", "both"}));
  knobs("hops", hops, "assistants in the chain; 0 for none: the teacher teaches the student itself", at_least(0));
  knobs("temperature", temperature, "softmax temperature of both sides", above(0));
  knobs("a", a, "weight of the divergence from the teacher beside the labels", at_least(0));
  knobs("b", b, "weight of the squared distance from the teacher's embedding", at_least(0));
  knobs("joint_epochs", joint_epochs, "epochs in which the candidates are trained", at_least(1));
  knobs("assistant_epochs", assistant_epochs, "epochs in which the assistant is tuned; the student has train.epochs", at_least(1));
  knobs("random_candidates", random_candidates, "candidates a step besides the smallest and the largest", at_least(0));
  knobs("evaluations", evaluations, "last epochs of the joint run over which a candidate's accuracy is averaged", at_least(1));
  knobs("calibration", calibration, "training rows by which the importance of weights is judged", at_least(1));
}

void AmdKnobs::check(const Recipe& recipe) const {
  if (student == "slice" && student_scale >= 1)
    throw ConfigError(fmt::format("{}: knobs.student_scale: a student of {} times its teacher is no compression",
                                  recipe.where("knobs.student_scale"), student_scale),
                      "a scale lies between 0 and 1");
  for (const double entry : grid)
    if (entry >= 1)
      throw ConfigError(
          fmt::format("{}: knobs.grid: a candidate of scale {} is not smaller than the teacher", recipe.where("knobs.grid"), entry),
          "scales lie between the student's and 1");
  if (study() && hops != 1)
    throw ConfigError(recipe.where("knobs.hops") + fmt::format(": knobs.hops: {} compares chains of one assistant", select),
                      "set knobs.hops = 1");
}

}  // namespace retort::compress

// The classification skeleton: data, teacher, student, training, evaluation, table and report panels of one run.
#pragma once

#include "retort/stats/classification.h"
#include "retort/train/train.h"

namespace retort {

// [teacher]: where the teacher comes from.
struct TeacherKnobs {
  std::string kind = "train", net = "mlp-256-256", file, combine = "probabilities", show = "weights";
  int64_t members = 1, seed = -1, data = 0;
  void describe(Knobs& knobs);
};
// [student]
struct StudentKnobs {
  std::string net = "mlp-24", start;
  bool alone = false;
  void describe(Knobs& knobs);
};

// Everything a classifier method works with; sections are read (and the run opened) by prepare_classifier.
struct ClassifierRun {
  Run& run;
  DataKnobs data_knobs;
  TeacherKnobs teacher_knobs;
  StudentKnobs student_knobs;
  TrainKnobs train_knobs, teacher_train_knobs;
  ViewKnobs views, teacher_views;
  Splits splits;
  std::unique_ptr<Teacher> teacher;  // null when the method needs none
  Net make_student(Seed seed) const;
  // Trains with the recipe's [train] settings.
  TrainResult fit(const std::string& phase, Net& student, Objective& objective);
  // Scores on the test part: metrics accuracy, nll, ece, aurc, agreement …
  Scores score(const Net& net) const;
  // Fills run.outcome (table rows teacher / alone / student, panels), saves the student, finishes.
  void conclude(const Net& student);
};
// Reads all sections, calls run.open(), loads data, gets the teacher (cached by the digest of what made it). `needs`: refused with AccessError
// when the teacher shows less.
ClassifierRun prepare_classifier(Run& run, Access needs);

}  // namespace retort

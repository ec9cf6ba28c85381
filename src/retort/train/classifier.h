// The classification skeleton: data, teacher, student, training, evaluation, table and report panels of one run.
#pragma once

#include "retort/train/scorecard.h"
#include "retort/train/teacher_source.h"
#include "retort/train/train.h"

namespace retort {

// [student]
struct StudentKnobs {
  std::string net = "mlp-24", start;
  bool alone = false, trained = false;
  void describe(Knobs& knobs);
};

// Everything that a classifier method works with.
struct ClassifierRun {
  Run& run;
  DataKnobs data_knobs;
  StudentKnobs student_knobs;
  TrainKnobs train_knobs;
  std::vector<StageKnobs> stages;
  ViewKnobs views;
  Splits splits;
  TeacherSource source;              // what the recipe says of the teacher
  std::unique_ptr<Teacher> teacher;  // null when the recipe has no [teacher]
  Scorecard card;
  TeacherSource first = {};  // student.trained: what the student learns, and how, before the method's turn
  int64_t firsts = 0;        // students made so

  // The student of the recipe: drawn from `seed`, then filled from student.start where that names a model, or trained with the labels of
  // [student.data] first (and kept in run.cache, as teachers are). A model of other classes gives all but its last layer. `outputs`: 0 for one per class.
  Net make_student(Seed seed, int64_t outputs = 0);
  // A training with the recipe's [data], [views], [train]; change what differs before running it.
  TrainJob job(const std::string& phase, Net& student, Objective& objective) const;
  TrainResult fit(const std::string& phase, Net& student, Objective& objective) { return train(run, job(phase, student, objective)); }
  // Logits on the test part, [n, outputs], CPU.
  Tensor test_logits(const Net& net) const;
  // A table row for another net of this run: a co-trained peer, a baseline trained beside. `bytes` 0: of a .safetensors file.
  void show(const std::string& name, const Net& net, int64_t bytes = 0);
  // Adds the student to the table, writes it to the run folder, fills run.outcome; with a validation part also what one temperature on the logits,
  // fitted there, makes of its calibration (metrics temperature, ece_scaled, nll_scaled). Further rows and panels may be added to `card` before.
  // `decide`: how logits become class logits, for students with other heads. `file`: where a method has written the student itself already, in the
  // run folder; then no student.safetensors is written.
  void conclude(const Net& student, const std::function<Tensor(const Tensor&)>& decide = {}, const std::string& file = {});
};

// Reads [data], [views], [teacher], [student], [train], opens the run, loads the data, gets the teacher and, with student.alone, trains the
// student without one. Throws ConfigError, AccessError (the teacher shows less than `needs`), DataError.
ClassifierRun prepare_classifier(Run& run, Access needs);

}  // namespace retort

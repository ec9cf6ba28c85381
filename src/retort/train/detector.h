// The detection skeleton: canvases with boxes, a dense detector that learns them, AP as its score, table and report panels of one run.
#pragma once

#include "retort/nets/dense.h"
#include "retort/stats/detection.h"
#include "retort/teachers/id_table.h"
#include "retort/train/classifier.h"

namespace retort {

// What every location is told.
struct DenseTargets {
  Tensor classes;    // [batch, N] int64, -1 where there is no object
  Tensor boxes;      // [batch, N, 4]; zeros where there is none
  Tensor positive;   // [batch, N] bool
  double positives;  // how many, at least 1
};
// boxes: [batch, k, 5] x1, y1, x2, y2, class (-1 pads). A location belongs to a box when it lies in its central half (in width and in height), to the
// smallest where there are several; a box without any gets the nearest location of the finest level.
DenseTargets dense_targets(const Tensor& boxes, const DenseGrid& grid);

// A step of a dense detector, both sides read.
struct DenseStep {
  DenseOutput student;
  DenseOutput teacher;  // undefined without one
  DenseTargets targets;
  const DenseGrid& grid;
};
// Quality focal loss on the scores (target: the IoU of the predicted box) + box_weight * (1 - GIoU), both over the number of positive locations; `more`
// adds a method's terms, and may ask for the teacher's output.
using DenseTerms = std::function<void(Loss&, const DenseStep&)>;
std::unique_ptr<Objective> detector_objective(bool asks_teacher, DenseTerms more = {}, double box_weight = 2);

// Detections of every image: locations with a score above `least`, the best 400 of them, non-maximum suppression, the best 100 of what is left.
std::vector<FoundBoxes> detect(const Net& net, const Tensor& inputs, double least = 0.05, double overlap = 0.5);
std::vector<TrueBoxes> true_boxes(const Dataset& data);
AveragePrecision score_detector(const Net& net, const Dataset& data);

struct DetectorRun {
  Run& run;
  DataKnobs data_knobs;
  StudentKnobs student_knobs;
  TrainKnobs train_knobs;
  std::vector<StageKnobs> stages;
  TeacherSource source;
  Splits splits;
  std::unique_ptr<Teacher> teacher;  // null when the recipe has no [teacher]
  nlohmann::json rows = nlohmann::json::array(), class_series = nlohmann::json::array();

  Net make_student(Seed seed) const;
  TrainResult fit(const std::string& phase, Net& student, Objective& objective);
  // A table row: AP on the test part, size, time.
  void show(const std::string& name, const Net& net, bool subject = false);
  // Writes the student, its row, the panels and run.outcome (metrics in percent: ap, ap50, ap75, "ap50.CLASS").
  void conclude(const Net& student);
};

// As prepare_classifier, for data that has boxes (world:canvas). Teachers are trained here, random, or files that retort wrote. Throws ConfigError:
// no boxes, random views that would move them, a teacher of other classes or another grid than the student's.
DetectorRun prepare_detector(Run& run, bool needs_teacher);

}  // namespace retort

// Trials of a search as phases of a run: how one is trained, scored and found again.
#pragma once

#include "retort/train/classifier.h"

namespace retort::search {

// A further term of a trial's loss: the part that changes with the task.
using ExtraTerm = std::function<void(Loss&, const Step&)>;
// Unlabelled rows, cross-entropy with the student's own decisions of at least `threshold` probability, over all unlabelled rows (Lee 2013).
ExtraTerm pseudo_label_term(double threshold, double weight);
// Cross-entropy of the labelled rows with weights n / (classes * n_class) of the training part.
ExtraTerm class_balance_term(double weight);

struct TrialPlan {
  std::string phase, net;
  std::string start, teacher, teacher_net;  // phases of earlier trials; empty: random weights, no teacher
  TrainKnobs train;
  double alpha = 1;
  Seed seed;
};
struct TrialEnd {
  bool failed = false;  // it left the finite numbers
  std::string why;
  double score = 0;  // of its best checkpoint on the validation part, in [0, 1]
  int64_t epochs = 0;
};

// Trains and scores each: one after the other, or side by side `in_children`, which must be so for all trials of a run, since children of a process that
// has trained cannot train. A training that diverges is a failed trial, anything else that goes wrong is thrown.
std::vector<TrialEnd> run_trials(ClassifierRun& c, const std::vector<TrialPlan>& plans, const ExtraTerm& extra, bool balanced,
                                 bool in_children);
Net trained(const ClassifierRun& c, const TrialPlan& plan);  // what a finished trial ended with

}  // namespace retort::search

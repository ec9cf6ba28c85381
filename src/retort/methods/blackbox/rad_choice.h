// How Robust Active Distillation, or a rule of plain active learning in its place, chooses among candidates.
#pragma once

#include "retort/methods/blackbox/counted_answers.h"

namespace retort::blackbox {

struct RadKnobs {
  std::string select = "rad", gain = "margin";
  int64_t labelled = 0, budget = 0, rounds = 1;
  double wrong = -1, wrong_scale = 1, loss = 0, temperature = 1, flips = 0;
  bool calibrate = true;
  void describe(Knobs& knobs);
};

// One round of questions.
struct Round {
  int64_t asked = 0, wrong = 0, support = 0;
  std::vector<double> gains, chances;  // of every candidate, where the choice is robust
  double correct = 0;                  // share of the teacher's answers that are true; NaN where no truth is known
};

// Positions of round.asked candidates; fills the rest of the round but what the teacher made of it. `covered`: rows that the student has learned from.
std::vector<int64_t> choose_points(const ClassifierRun& c, const RadKnobs& knobs, CountedAnswers& answers, const Net& student,
                                   const Dataset& candidates, const Dataset& covered, Round& round, Seed seed);

}  // namespace retort::blackbox

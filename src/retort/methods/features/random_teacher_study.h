// What the student's checkpoint is as a place in weight space: sparse trainable, linearly connected, on which loss surface.
#pragma once

#include "retort/methods/features/random_teacher_run.h"

namespace retort::features {

// [supervised]: how the studies train on labels; starts from [train].
TrainKnobs read_supervised(Run& run, const StudyKnobs& knobs);

// max over t of err(t a + (1-t) b), less the mean of the errors at the ends (Frankle et al. 2020). `errors`: at evenly spaced t from 0 to 1.
double error_barrier(const std::vector<double>& errors);

// Runs the studies that the knobs ask for, each with the student's checkpoint and with its own random start, and adds metrics and panels:
//   prune_rounds   train, prune the share of smallest weights, rewind, repeat (Frankle and Carbin 2019): accuracy by sparsity
//   barrier        train twice in different orders: the error barrier between both ends
//   plane          the distillation loss on the plane through the teacher, the student of alpha 0 and the student of alpha 1, so many points a side
void run_studies(ClassifierRun& c, const RandomTeacherKnobs& knobs, const TrainKnobs& supervised, const RandomNets& teacher,
                 const RandomNets& other, const RandomNets& start, const RandomNets& student);

}  // namespace retort::features

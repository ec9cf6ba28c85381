// A teacher that is asked about a few fixed random views of every sample, once: the policy "fixed-ensemble".
#pragma once

#include "retort/teachers/teacher.h"

namespace retort {

// Where inputs repeat, answers log of the mean probability over `knobs.crops` views of the clean input (without mixing), drawn from the seed and the
// sample's id alone and kept; other inputs are asked about as they are. Shows logits at the most. Throws AccessError when `inner` shows less.
std::unique_ptr<Teacher> view_ensemble_teacher(std::unique_ptr<Teacher> inner, const ViewKnobs& knobs, const InputSpec& spec, Seed seed);

}  // namespace retort

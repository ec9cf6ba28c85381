// Parts of a data set by the names that verbs and recipes use.
#pragma once

#include <string>

#include "retort/data/dataset.h"

namespace retort {

// "train", "validation", "test", or "all": every row, with the unlabelled ones.
Dataset part_of(const Splits& splits, const std::string& part);
// The training rows with those whose labels were taken away: all that a student learns from.
Dataset learnt_from(const Splits& splits);

}  // namespace retort

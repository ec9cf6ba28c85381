// Where nets are cut into blocks, in which order the blocks merge, and for how long each stage lasts (StableKD, 76).
#pragma once

#include "retort/nets/net.h"
#include "retort/teachers/teacher.h"

namespace retort::features {

// A place where both nets are cut: behind these layers.
struct Boundary {
  std::string student, teacher;
};
// The N-1 cuts of N blocks: the layers given, or stages of equal share. Throws ConfigError for more blocks than there are places, lists of other
// lengths, and cuts where the features differ in more than their channels.
std::vector<Boundary> cut_points(const Net& student, const Teacher& teacher, int64_t blocks, const std::vector<std::string>& student_layers,
                                 const std::vector<std::string>& teacher_layers);

// Step 4: the segments of each stage, as the block each ends with (counted from 1), such as {1,2,3,4}, {2,4}, {4}. `order`: halves joins neighbours two
// by two; front and back one boundary at a time, from that end; never stays apart; whole starts as one.
using Segments = std::vector<int64_t>;
std::vector<Segments> merge_schedule(int64_t blocks, const std::string& order);
// Epochs of each stage: the first has the share `apart`, the last `merged`, those between the rest in equal parts; at least one each, and the last what
// rounding leaves. Throws ConfigError for fewer epochs than stages.
std::vector<int64_t> stage_epochs(int64_t epochs, size_t stages, double apart, double merged);

// Position of a named block of the student. Throws ConfigError.
size_t block_position(const Net& net, const std::string& block);

}  // namespace retort::features
